import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3EncryptionClient;
import com.amazonaws.services.s3.AmazonS3EncryptionClientV2;
import com.amazonaws.services.s3.model.CompleteMultipartUploadRequest;
import com.amazonaws.services.s3.model.EncryptedGetObjectRequest;
import com.amazonaws.services.s3.model.InitiateMultipartUploadRequest;
import com.amazonaws.services.s3.model.PartETag;
import com.amazonaws.services.s3.model.PutInstructionFileRequest;
import com.amazonaws.services.s3.model.PutObjectRequest;
import com.amazonaws.services.s3.model.S3Object;
import com.amazonaws.services.s3.model.S3ObjectId;
import com.amazonaws.services.s3.model.UploadPartRequest;
import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The encryption clients of the AWS SDK for Java 1.x. */
final class Client {
  private static final Pattern RANGE = Pattern.compile("bytes=(\\d+)-(\\d+)");

  private final Clients clients;

  Client(Endpoints endpoints) {
    clients = new Clients(endpoints);
  }

  void put(Request request) throws Exception {
    if (request.textOrNull("suffix") != null) throw new UnsupportedOperationException("no suffix with a put");
    try (Scope scope = new Scope(clients.client(request))) {
      if (request.partSize() > 0) putParts(scope.s3(), request);
      else scope.s3().putObject(new PutObjectRequest(request.bucket(), request.key(), request.file().toFile()));
    }
  }

  private static void putParts(AmazonS3 s3, Request request) throws Exception {
    String bucket = request.bucket();
    String key = request.key();
    String upload = s3.initiateMultipartUpload(new InitiateMultipartUploadRequest(bucket, key)).getUploadId();
    List<PartETag> tags = new ArrayList<>();
    Parts.of(request.file(), request.partSize(), (number, bytes, last) -> tags.add(
        s3.uploadPart(new UploadPartRequest()
            .withBucketName(bucket)
            .withKey(key)
            .withUploadId(upload)
            .withPartNumber(number)
            .withInputStream(new ByteArrayInputStream(bytes))
            .withPartSize(bytes.length)
            .withLastPart(last)).getPartETag()));
    s3.completeMultipartUpload(new CompleteMultipartUploadRequest(bucket, key, upload, tags));
  }

  void get(Request request) throws Exception {
    EncryptedGetObjectRequest get = new EncryptedGetObjectRequest(request.bucket(), request.key());
    Map<String, String> context = request.context();
    String suffix = request.textOrNull("suffix");
    String range = request.textOrNull("range");
    if (request.wrappingKey().kind().equals("kms") && !context.isEmpty()) get.withExtraMaterialsDescription(context);
    if (suffix != null) get.setInstructionFileSuffix(withoutDot(suffix));
    if (range != null) {
      Matcher bounds = RANGE.matcher(range);
      if (!bounds.matches()) throw new UnsupportedOperationException("range " + range);
      get.setRange(Long.parseLong(bounds.group(1)), Long.parseLong(bounds.group(2)));
    }
    try (Scope scope = new Scope(clients.client(request)); S3Object object = scope.s3().getObject(get)) {
      Files.copy(object.getObjectContent(), request.file(), StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** A second instruction file beside the first; the client writes none over the first. */
  void reencrypt(Request request) throws Exception {
    Request to = request.to();
    try (Scope scope = new Scope(clients.client(request))) {
      PutInstructionFileRequest put = new PutInstructionFileRequest(
          new S3ObjectId(request.bucket(), request.key()), Clients.materials(to), withoutDot(to.text("suffix")));
      if (scope.s3() instanceof AmazonS3EncryptionClientV2 second) second.putInstructionFile(put);
      else ((AmazonS3EncryptionClient) scope.s3()).putInstructionFile(put);
    }
  }

  void delete(Request request) throws Exception {
    try (Scope scope = new Scope(clients.client(request))) {
      scope.s3().deleteObject(request.bucket(), request.key());
    }
  }

  private static String withoutDot(String suffix) {
    return suffix.startsWith(".") ? suffix.substring(1) : suffix;
  }

  private record Scope(AmazonS3 s3) implements AutoCloseable {
    @Override
    public void close() {
      s3.shutdown();
    }
  }
}
