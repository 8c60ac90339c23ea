import com.amazonaws.encryptionsdk.AwsCrypto;
import com.amazonaws.encryptionsdk.CommitmentPolicy;
import com.amazonaws.encryptionsdk.CryptoAlgorithm;
import com.amazonaws.encryptionsdk.CryptoResult;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import software.amazon.cryptography.materialproviders.ICryptographicMaterialsManager;
import software.amazon.cryptography.materialproviders.IKeyring;
import software.amazon.cryptography.materialproviders.model.CreateDefaultCryptographicMaterialsManagerInput;
import software.amazon.cryptography.materialproviders.model.CreateRequiredEncryptionContextCMMInput;

/** The AWS Encryption SDK for Java with the material providers library. */
final class Messages {
  private final Keyrings keyrings = new Keyrings();

  void run(JsonNode request) throws Exception {
    byte[] source = Files.readAllBytes(Path.of(request.get("from").textValue()));
    AwsCrypto crypto = crypto(request);
    ICryptographicMaterialsManager materials = materials(request);
    Map<String, String> context = new LinkedHashMap<>();
    request.get("context").fields().forEachRemaining(pair -> context.put(pair.getKey(), pair.getValue().textValue()));
    CryptoResult<byte[], ?> result = switch (request.get("op").textValue()) {
      case "encrypt" -> crypto.encryptData(materials, source, context);
      case "decrypt" -> crypto.decryptData(materials, source, context);
      default -> throw new IllegalArgumentException("unknown operation " + request.get("op"));
    };
    Files.write(Path.of(request.get("to").textValue()), result.getResult());
  }

  private static AwsCrypto crypto(JsonNode request) {
    AwsCrypto.Builder builder = AwsCrypto.builder().withCommitmentPolicy(policy(request.get("policy").textValue()));
    if (request.has("maxEncryptedDataKeys")) {
      builder.withMaxEncryptedDataKeys(request.get("maxEncryptedDataKeys").intValue());
    }
    if (request.get("op").textValue().equals("encrypt")) {
      builder
          .withEncryptionAlgorithm(CryptoAlgorithm.valueOf(request.get("suite").textValue()))
          .withEncryptionFrameSize(request.get("frameLength").intValue());
    }
    return builder.build();
  }

  private static CommitmentPolicy policy(String name) {
    return switch (name) {
      case "FORBID_ENCRYPT_ALLOW_DECRYPT" -> CommitmentPolicy.ForbidEncryptAllowDecrypt;
      case "REQUIRE_ENCRYPT_ALLOW_DECRYPT" -> CommitmentPolicy.RequireEncryptAllowDecrypt;
      case "REQUIRE_ENCRYPT_REQUIRE_DECRYPT" -> CommitmentPolicy.RequireEncryptRequireDecrypt;
      default -> throw new IllegalArgumentException("unknown policy " + name);
    };
  }

  private ICryptographicMaterialsManager materials(JsonNode request) {
    List<IKeyring> members = new ArrayList<>();
    for (JsonNode key : request.get("keys")) members.add(keyrings.of(key));
    IKeyring keyring = members.size() == 1 ? members.get(0) : keyrings.several(members);
    ICryptographicMaterialsManager usual = keyrings.providers.CreateDefaultCryptographicMaterialsManager(
        CreateDefaultCryptographicMaterialsManagerInput.builder().keyring(keyring).build());
    List<String> required = new ArrayList<>();
    for (JsonNode name : request.get("required")) required.add(name.textValue());
    if (required.isEmpty()) return usual;
    return keyrings.providers.CreateRequiredEncryptionContextCMM(CreateRequiredEncryptionContextCMMInput.builder()
        .underlyingCMM(usual)
        .requiredEncryptionContextKeys(required)
        .build());
  }
}
