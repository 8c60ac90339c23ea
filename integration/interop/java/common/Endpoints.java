import java.net.URI;

/** Where the servers are. */
record Endpoints(URI s3, URI kms, String region, String accessKeyId, String secretAccessKey) {
  static Endpoints ofEnvironment() {
    return new Endpoints(
        URI.create(variable("S3_ENDPOINT")),
        URI.create(variable("KMS_ENDPOINT")),
        variable("AWS_REGION"),
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY"));
  }

  private static String variable(String name) {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) throw new IllegalStateException(name + " is not set");
    return value;
  }
}
