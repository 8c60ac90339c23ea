import software.amazon.encryption.s3.S3EncryptionClient;

/** What only this generation of the client has. */
final class Generation {
  /** It writes V2 and knows no commitment policy. */
  static S3EncryptionClient.Builder builder(String format) {
    return S3EncryptionClient.builder();
  }

  private Generation() {}
}
