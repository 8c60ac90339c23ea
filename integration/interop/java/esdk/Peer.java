import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/** Answers requests, one line each (integration/interop/protocol.ts, MessageRequest). */
final class Peer {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    Messages messages = new Messages();
    BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = requests.readLine(); line != null; line = requests.readLine()) {
      JsonNode request = JSON.readTree(line);
      Map<String, Object> answer = new LinkedHashMap<>();
      answer.put("id", request.get("id").asLong());
      try {
        messages.run(request);
        answer.put("ok", true);
      } catch (Exception | LinkageError | OutOfMemoryError error) {
        answer.put("ok", false);
        answer.put("error", textOf(error));
      }
      answers.println(JSON.writeValueAsString(answer));
    }
    // The clients have threads of their own that would keep the program alive.
    System.exit(0);
  }

  /** Class and message of an error and of what caused it. */
  private static String textOf(Throwable error) {
    Set<Throwable> chain = new LinkedHashSet<>();
    for (Throwable each = error; each != null && chain.add(each); each = each.getCause());
    StringBuilder text = new StringBuilder();
    for (Throwable each : chain) {
      if (text.length() > 0) text.append(" <- ");
      text.append(each.getClass().getSimpleName()).append(": ").append(each.getMessage());
    }
    return text.toString().replace('\n', ' ');
  }
}
