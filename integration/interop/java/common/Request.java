import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** One request, or its member `to`. */
record Request(JsonNode json) {
  String text(String name) {
    JsonNode value = json.get(name);
    if (value == null || !value.isTextual()) throw new IllegalArgumentException(name + " is missing");
    return value.textValue();
  }

  String textOrNull(String name) {
    return json.hasNonNull(name) ? text(name) : null;
  }

  String bucket() {
    return text("bucket");
  }

  String key() {
    return text("key");
  }

  Path file() {
    return Path.of(text("file"));
  }

  boolean legacy() {
    return json.path("legacy").asBoolean(false);
  }

  boolean inInstructionFile() {
    return text("envelope").equals("instruction-file");
  }

  /** Bytes, or 0 for one request with all. */
  int partSize() {
    return json.path("partSize").asInt(0);
  }

  Key wrappingKey() {
    return new Key(json.get("wrappingKey"));
  }

  Map<String, String> context() {
    Map<String, String> context = new LinkedHashMap<>();
    json.path("context").fields().forEachRemaining(entry -> context.put(entry.getKey(), entry.getValue().textValue()));
    return context;
  }

  Request to() {
    return new Request(json.get("to"));
  }
}
