import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.http.apache.ApacheHttpClient;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.cryptography.materialproviders.IKeyring;
import software.amazon.cryptography.materialproviders.MaterialProviders;
import software.amazon.cryptography.materialproviders.model.AesWrappingAlg;
import software.amazon.cryptography.materialproviders.model.CreateAwsKmsKeyringInput;
import software.amazon.cryptography.materialproviders.model.CreateMultiKeyringInput;
import software.amazon.cryptography.materialproviders.model.CreateRawAesKeyringInput;
import software.amazon.cryptography.materialproviders.model.CreateRawRsaKeyringInput;
import software.amazon.cryptography.materialproviders.model.MaterialProvidersConfig;
import software.amazon.cryptography.materialproviders.model.PaddingScheme;

/** Keyrings for the keys of a request. */
final class Keyrings {
  final MaterialProviders providers = MaterialProviders.builder()
      .MaterialProvidersConfig(MaterialProvidersConfig.builder().build())
      .build();
  private final Map<String, KmsClient> clients = new HashMap<>();

  IKeyring of(JsonNode key) {
    String kind = key.get("kind").textValue();
    return switch (kind) {
      case "aes" -> aes(key);
      case "rsa" -> rsa(key);
      case "kms" -> providers.CreateAwsKmsKeyring(CreateAwsKmsKeyringInput.builder()
          .kmsKeyId(key.get("arn").textValue())
          .kmsClient(kms(key.get("endpoint").textValue()))
          .build());
      default -> throw new IllegalArgumentException("unknown kind of key " + kind);
    };
  }

  /** The first generates the data key. */
  IKeyring several(List<IKeyring> members) {
    return providers.CreateMultiKeyring(CreateMultiKeyringInput.builder()
        .generator(members.get(0))
        .childKeyrings(members.subList(1, members.size()))
        .build());
  }

  private IKeyring aes(JsonNode key) {
    byte[] bytes = HexFormat.of().parseHex(key.get("hex").textValue());
    AesWrappingAlg algorithm = switch (bytes.length) {
      case 16 -> AesWrappingAlg.ALG_AES128_GCM_IV12_TAG16;
      case 24 -> AesWrappingAlg.ALG_AES192_GCM_IV12_TAG16;
      case 32 -> AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16;
      default -> throw new IllegalArgumentException("no AES key has " + bytes.length + " bytes");
    };
    return providers.CreateRawAesKeyring(CreateRawAesKeyringInput.builder()
        .keyNamespace(key.get("namespace").textValue())
        .keyName(key.get("name").textValue())
        .wrappingKey(ByteBuffer.wrap(bytes))
        .wrappingAlg(algorithm)
        .build());
  }

  private IKeyring rsa(JsonNode key) {
    String padding = key.get("padding").textValue();
    return providers.CreateRawRsaKeyring(CreateRawRsaKeyringInput.builder()
        .keyNamespace(key.get("namespace").textValue())
        .keyName(key.get("name").textValue())
        .paddingScheme(PaddingScheme.valueOf(padding.equals("PKCS1") ? padding : padding + "_MGF1"))
        .publicKey(bytes(key, "publicKey"))
        .privateKey(bytes(key, "privateKey"))
        .build());
  }

  private static ByteBuffer bytes(JsonNode key, String name) {
    return ByteBuffer.wrap(key.get(name).textValue().getBytes(StandardCharsets.UTF_8));
  }

  private KmsClient kms(String endpoint) {
    return clients.computeIfAbsent(endpoint, each -> KmsClient.builder()
        .endpointOverride(URI.create(each))
        .httpClientBuilder(ApacheHttpClient.builder())
        .build());
  }
}
