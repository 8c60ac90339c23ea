import software.amazon.encryption.s3.CommitmentPolicy;
import software.amazon.encryption.s3.S3EncryptionClient;
import software.amazon.encryption.s3.algorithms.AlgorithmSuite;

/** What only this generation of the client has. */
final class Generation {
  /** A client that writes this format; for V3 one that reads nothing else. */
  static S3EncryptionClient.Builder builder(String format) {
    S3EncryptionClient.Builder builder = S3EncryptionClient.builderV4();
    return switch (format) {
      case "V3" -> builder
          .commitmentPolicy(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
          .encryptionAlgorithm(AlgorithmSuite.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY);
      case "V2" -> builder
          .commitmentPolicy(CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
          .encryptionAlgorithm(AlgorithmSuite.ALG_AES_256_GCM_IV12_TAG16_NO_KDF);
      case "V1" -> builder
          .commitmentPolicy(CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT)
          .encryptionAlgorithm(AlgorithmSuite.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY);
      default -> throw new IllegalArgumentException("unknown format " + format);
    };
  }

  private Generation() {}
}
