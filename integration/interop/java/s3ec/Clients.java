import java.net.URI;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.apache.ApacheHttpClient;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.http.nio.netty.SdkEventLoopGroup;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.encryption.s3.S3EncryptionClient;
import software.amazon.encryption.s3.internal.InstructionFileConfig;
import software.amazon.encryption.s3.materials.AesKeyring;
import software.amazon.encryption.s3.materials.Keyring;
import software.amazon.encryption.s3.materials.KmsKeyring;
import software.amazon.encryption.s3.materials.MaterialsDescription;
import software.amazon.encryption.s3.materials.PartialRsaKeyPair;
import software.amazon.encryption.s3.materials.RsaKeyring;

/** Keyrings and clients for the requests; those for S3 are made for each request, since reads of instruction files leak connections. */
final class Clients {
  private final Endpoints endpoints;
  private final Region region;
  private final AwsCredentialsProvider credentials;
  private final KmsClient kms;
  // One for all: a client with its own waits for seconds when it is closed.
  private final SdkEventLoopGroup eventLoops = SdkEventLoopGroup.builder().numberOfThreads(2).build();

  Clients(Endpoints endpoints) {
    this.endpoints = endpoints;
    region = Region.of(endpoints.region());
    credentials = StaticCredentialsProvider.create(
        AwsBasicCredentials.create(endpoints.accessKeyId(), endpoints.secretAccessKey()));
    kms = KmsClient.builder()
        .endpointOverride(endpoints.kms())
        .region(region)
        .credentialsProvider(credentials)
        .httpClientBuilder(ApacheHttpClient.builder())
        .build();
  }

  Scope scope() {
    return new Scope();
  }

  /** For the key and the materials description of a request. */
  Keyring keyring(Request request, boolean legacy) throws Exception {
    Key key = request.wrappingKey();
    MaterialsDescription description = MaterialsDescription.builder().putAll(request.context()).build();
    return switch (key.kind()) {
      case "aes" -> AesKeyring.builder()
          .wrappingKey(key.secret())
          .materialsDescription(description)
          .enableLegacyWrappingAlgorithms(legacy)
          .build();
      case "rsa" -> RsaKeyring.builder()
          .wrappingKeyPair(PartialRsaKeyPair.builder()
              .publicKey(key.pair().getPublic())
              .privateKey(key.pair().getPrivate())
              .build())
          .materialsDescription(description)
          .enableLegacyWrappingAlgorithms(legacy)
          .build();
      case "kms" -> KmsKeyring.builder()
          .kmsClient(kms)
          .wrappingKeyId(key.arn())
          .enableLegacyWrappingAlgorithms(legacy)
          .build();
      default -> throw new IllegalArgumentException("unknown kind of key " + key.kind());
    };
  }

  /** The clients of one request. */
  final class Scope implements AutoCloseable {
    private final S3Client plain;
    private final S3AsyncClient async;

    private Scope() {
      URI s3 = endpoints.s3();
      plain = S3Client.builder()
          .endpointOverride(s3)
          .region(region)
          .credentialsProvider(credentials)
          .forcePathStyle(true)
          .httpClientBuilder(ApacheHttpClient.builder())
          .build();
      async = S3AsyncClient.builder()
          .endpointOverride(s3)
          .region(region)
          .credentialsProvider(credentials)
          .forcePathStyle(true)
          .httpClientBuilder(NettyNioAsyncHttpClient.builder().eventLoopGroup(eventLoops))
          .build();
    }

    S3Client plain() {
      return plain;
    }

    S3EncryptionClient client(Request request, boolean writesInstructionFile, boolean delayed) throws Exception {
      return Generation.builder(request.text("format"))
          .wrappedClient(plain)
          .wrappedAsyncClient(async)
          .keyring(keyring(request, request.legacy()))
          // Nothing authenticates a range.
          .enableLegacyUnauthenticatedModes(request.legacy() || request.textOrNull("range") != null)
          .enableDelayedAuthenticationMode(delayed)
          .instructionFileConfig(InstructionFileConfig.builder()
              .instructionFileClient(plain)
              .enableInstructionFilePutObject(writesInstructionFile)
              .build())
          .build();
    }

    @Override
    public void close() {
      plain.close();
      async.close();
    }
  }
}
