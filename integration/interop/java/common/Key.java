import com.fasterxml.jackson.databind.JsonNode;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.HexFormat;
import javax.crypto.SecretKey;
import javax.crypto.spec.SecretKeySpec;

/** A wrapping key of a request. */
record Key(JsonNode json) {
  String kind() {
    return json.get("kind").textValue();
  }

  String arn() {
    return json.get("arn").textValue();
  }

  SecretKey secret() {
    return new SecretKeySpec(HexFormat.of().parseHex(json.get("hex").textValue()), "AES");
  }

  KeyPair pair() throws GeneralSecurityException {
    KeyFactory factory = KeyFactory.getInstance("RSA");
    return new KeyPair(
        factory.generatePublic(new X509EncodedKeySpec(der("publicKey"))),
        factory.generatePrivate(new PKCS8EncodedKeySpec(der("privateKey"))));
  }

  private byte[] der(String name) {
    return Base64.getMimeDecoder().decode(json.get(name).textValue().replaceAll("-----[^-]+-----", ""));
  }
}
