import com.amazonaws.auth.AWSCredentialsProvider;
import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.kms.AWSKMS;
import com.amazonaws.services.kms.AWSKMSClientBuilder;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3EncryptionClientBuilder;
import com.amazonaws.services.s3.AmazonS3EncryptionClientV2Builder;
import com.amazonaws.services.s3.model.CryptoConfiguration;
import com.amazonaws.services.s3.model.CryptoConfigurationV2;
import com.amazonaws.services.s3.model.CryptoMode;
import com.amazonaws.services.s3.model.CryptoRangeGetMode;
import com.amazonaws.services.s3.model.CryptoStorageMode;
import com.amazonaws.services.s3.model.EncryptionMaterials;
import com.amazonaws.services.s3.model.EncryptionMaterialsProvider;
import com.amazonaws.services.s3.model.KMSEncryptionMaterials;
import com.amazonaws.services.s3.model.KMSEncryptionMaterialsProvider;
import com.amazonaws.services.s3.model.StaticEncryptionMaterialsProvider;
import java.security.GeneralSecurityException;

/** Materials and clients for the requests. */
final class Clients {
  private static final String V1 = "AmazonS3EncryptionClient ";
  private static final String V2 = "AmazonS3EncryptionClientV2 ";

  private final EndpointConfiguration s3;
  private final AWSCredentialsProvider credentials;
  private final AWSKMS kms;

  Clients(Endpoints endpoints) {
    s3 = new EndpointConfiguration(endpoints.s3().toString(), endpoints.region());
    credentials = new AWSStaticCredentialsProvider(
        new BasicAWSCredentials(endpoints.accessKeyId(), endpoints.secretAccessKey()));
    kms = AWSKMSClientBuilder.standard()
        .withEndpointConfiguration(new EndpointConfiguration(endpoints.kms().toString(), endpoints.region()))
        .withCredentials(credentials)
        .build();
  }

  static EncryptionMaterials materials(Request request) throws GeneralSecurityException {
    Key key = request.wrappingKey();
    EncryptionMaterials materials = switch (key.kind()) {
      case "aes" -> new EncryptionMaterials(key.secret());
      case "rsa" -> new EncryptionMaterials(key.pair());
      case "kms" -> new KMSEncryptionMaterials(key.arn());
      default -> throw new IllegalArgumentException("unknown kind of key " + key.kind());
    };
    return materials.addDescriptions(request.context());
  }

  /** `client` of the request is the name of the class and that of its mode. */
  AmazonS3 client(Request request) throws GeneralSecurityException {
    EncryptionMaterials materials = materials(request);
    EncryptionMaterialsProvider provider = materials instanceof KMSEncryptionMaterials kmsMaterials
        ? new KMSEncryptionMaterialsProvider(kmsMaterials)
        : new StaticEncryptionMaterialsProvider(materials);
    CryptoStorageMode storage = request.inInstructionFile()
        ? CryptoStorageMode.InstructionFile
        : CryptoStorageMode.ObjectMetadata;
    String client = request.text("client");
    if (client.startsWith(V2)) {
      return AmazonS3EncryptionClientV2Builder.standard()
          .withEndpointConfiguration(s3)
          .withCredentials(credentials)
          .withPathStyleAccessEnabled(true)
          .withKmsClient(kms)
          .withEncryptionMaterialsProvider(provider)
          .withCryptoConfiguration(new CryptoConfigurationV2(CryptoMode.valueOf(client.substring(V2.length())))
              .withStorageMode(storage)
              .withRangeGetMode(request.textOrNull("range") == null ? CryptoRangeGetMode.DISABLED : CryptoRangeGetMode.ALL))
          .build();
    }
    if (!client.startsWith(V1)) throw new IllegalArgumentException("unknown client " + client);
    return AmazonS3EncryptionClientBuilder.standard()
        .withEndpointConfiguration(s3)
        .withCredentials(credentials)
        .withPathStyleAccessEnabled(true)
        .withKmsClient(kms)
        .withEncryptionMaterials(provider)
        .withCryptoConfiguration(new CryptoConfiguration(CryptoMode.valueOf(client.substring(V1.length())))
            .withStorageMode(storage)
            .withIgnoreMissingInstructionFile(false))
        .build();
  }
}
