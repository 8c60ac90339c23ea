import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.awscore.AwsRequestOverrideConfiguration;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.sync.ResponseTransformer;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.GetObjectRequest;
import software.amazon.awssdk.services.s3.model.HeadObjectRequest;
import software.amazon.awssdk.services.s3.model.SdkPartType;
import software.amazon.encryption.s3.S3EncryptionClient;
import software.amazon.encryption.s3.internal.ReEncryptInstructionFileRequest;
import software.amazon.encryption.s3.materials.RawKeyring;

/** The Amazon S3 Encryption Client for Java, 3.x and 4.x. */
final class Client {
  /** Bytes of ciphertext above which an object is read with delayed authentication. */
  private static final long DELAYED = 8 * 1024 * 1024;

  private final Clients clients;

  Client(Endpoints endpoints) {
    clients = new Clients(endpoints);
  }

  void put(Request request) throws Exception {
    if (request.textOrNull("suffix") != null) throw new UnsupportedOperationException("no suffix with a put");
    try (Clients.Scope scope = clients.scope();
        S3EncryptionClient client = scope.client(request, request.inInstructionFile(), false)) {
      if (request.partSize() > 0) {
        putParts(client, request);
        return;
      }
      client.putObject(
          put -> put.bucket(request.bucket()).key(request.key()).overrideConfiguration(configuration(request)),
          RequestBody.fromFile(request.file()));
    }
  }

  private static void putParts(S3EncryptionClient client, Request request) throws Exception {
    String bucket = request.bucket();
    String key = request.key();
    String upload = client.createMultipartUpload(
        create -> create.bucket(bucket).key(key).overrideConfiguration(configuration(request))).uploadId();
    List<CompletedPart> parts = new ArrayList<>();
    Parts.of(request.file(), request.partSize(), (number, bytes, last) -> {
      String tag = client.uploadPart(
          part -> part.bucket(bucket).key(key).uploadId(upload).partNumber(number)
              .sdkPartType(last ? SdkPartType.LAST : SdkPartType.DEFAULT),
          RequestBody.fromBytes(bytes)).eTag();
      parts.add(CompletedPart.builder().partNumber(number).eTag(tag).build());
    });
    client.completeMultipartUpload(
        complete -> complete.bucket(bucket).key(key).uploadId(upload).multipartUpload(all -> all.parts(parts)));
  }

  void get(Request request) throws Exception {
    GetObjectRequest get = GetObjectRequest.builder()
        .bucket(request.bucket())
        .key(request.key())
        .range(request.textOrNull("range"))
        .overrideConfiguration(configuration(request))
        .build();
    try (Clients.Scope scope = clients.scope();
        S3EncryptionClient client = scope.client(request, false, isLarge(scope, request));
        InputStream body = client.getObject(get, ResponseTransformer.toInputStream())) {
      Files.copy(body, request.file(), StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private static boolean isLarge(Clients.Scope scope, Request request) {
    HeadObjectRequest head = HeadObjectRequest.builder().bucket(request.bucket()).key(request.key()).build();
    return scope.plain().headObject(head).contentLength() > DELAYED;
  }

  void reencrypt(Request request) throws Exception {
    Request to = request.to();
    String suffix = to.textOrNull("suffix");
    try (Clients.Scope scope = clients.scope(); S3EncryptionClient client = scope.client(request, true, false)) {
      if (!(clients.keyring(to, false) instanceof RawKeyring<?> keyring)) {
        throw new UnsupportedOperationException("only raw keyrings can be re-encrypted to");
      }
      ReEncryptInstructionFileRequest.Builder builder = ReEncryptInstructionFileRequest.builder()
          .bucket(request.bucket())
          .key(request.key())
          .newKeyring(keyring);
      if (suffix != null) builder.instructionFileSuffix(withoutDot(suffix));
      client.reEncryptInstructionFile(builder.build());
    }
  }

  void delete(Request request) throws Exception {
    try (Clients.Scope scope = clients.scope(); S3EncryptionClient client = scope.client(request, false, false)) {
      client.deleteObject(delete -> delete.bucket(request.bucket()).key(request.key()));
    }
  }

  /** What a request says beside its key; a materials description belongs to the keyring. */
  private static AwsRequestOverrideConfiguration configuration(Request request) {
    AwsRequestOverrideConfiguration.Builder builder = AwsRequestOverrideConfiguration.builder();
    Map<String, String> context = request.context();
    String suffix = request.textOrNull("suffix");
    if (request.wrappingKey().kind().equals("kms") && !context.isEmpty()) {
      S3EncryptionClient.withAdditionalConfiguration(context).accept(builder);
    }
    if (suffix != null) {
      S3EncryptionClient.withCustomInstructionFileSuffix("." + withoutDot(suffix)).accept(builder);
    }
    return builder.build();
  }

  private static String withoutDot(String suffix) {
    return suffix.startsWith(".") ? suffix.substring(1) : suffix;
  }
}
