import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** The parts of a file, one after the other. */
final class Parts {
  interface Upload {
    void part(int number, byte[] bytes, boolean last) throws Exception;
  }

  static void of(Path file, int partSize, Upload upload) throws Exception {
    long left = Files.size(file);
    try (InputStream input = Files.newInputStream(file)) {
      for (int number = 1; left > 0; number++) {
        byte[] bytes = input.readNBytes(partSize);
        if (bytes.length == 0) throw new IOException(file + " ended early");
        left -= bytes.length;
        upload.part(number, bytes, left == 0);
      }
    }
  }

  private Parts() {}
}
