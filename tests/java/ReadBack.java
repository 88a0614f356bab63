import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * The independent reader: every record of the topics, from the beginning to the end as it is at the start, one JSON object a line.
 *
 * <p>java -cp 'LIBS/*' ReadBack.java BOOTSTRAP TOPIC... [--read-committed]
 */
public final class ReadBack {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    public static void main(String[] arguments) throws IOException {
        List<String> topics = new ArrayList<>(List.of(arguments).subList(1, arguments.length));
        boolean committedOnly = topics.remove("--read-committed");
        PrintStream out = System.out;
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings(arguments[0], committedOnly));
                BufferedWriter lines = new BufferedWriter(new OutputStreamWriter(out, StandardCharsets.UTF_8), 1 << 16)) {
            read(consumer, partitions(consumer, topics), lines);
        }
    }

    private static Properties settings(String bootstrap, boolean committedOnly) {
        Properties settings = new Properties();
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
        settings.put(ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
        settings.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, committedOnly ? "read_committed" : "read_uncommitted");
        return settings;
    }

    private static List<TopicPartition> partitions(KafkaConsumer<byte[], byte[]> consumer, List<String> topics) {
        List<TopicPartition> all = new ArrayList<>();
        for (String topic : topics) {
            var known = consumer.partitionsFor(topic, PATIENCE);
            if (known == null || known.isEmpty()) {
                throw new IllegalStateException("no topic " + topic);
            }
            known.forEach(info -> all.add(new TopicPartition(topic, info.partition())));
        }
        return all;
    }

    /** Positions, not counts, say when a partition is read: offsets have holes where transactions ended. */
    private static void read(KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> all, BufferedWriter lines)
            throws IOException {
        Map<TopicPartition, Long> ends = consumer.endOffsets(all, PATIENCE);
        consumer.assign(all);
        consumer.seekToBeginning(all);
        List<TopicPartition> open = new ArrayList<>(all);
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!open.isEmpty()) {
            var records = consumer.poll(Duration.ofMillis(100));
            for (ConsumerRecord<byte[], byte[]> record : records) {
                if (record.offset() < ends.get(new TopicPartition(record.topic(), record.partition()))) {
                    lines.write(json(record));
                    lines.newLine();
                }
            }
            open.removeIf(partition -> consumer.position(partition, PATIENCE) >= ends.get(partition));
            consumer.pause(all.stream().filter(partition -> !open.contains(partition)).toList());
            if (!records.isEmpty()) {
                deadline = System.nanoTime() + PATIENCE.toNanos();
            } else if (System.nanoTime() > deadline) {
                throw new IllegalStateException("no record for " + PATIENCE + "; not at their ends: " + open);
            }
        }
    }

    private static String json(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(headers.isEmpty() ? "" : ",");
            headers.append('[').append(text(header.key())).append(',').append(base64(header.value())).append(']');
        }
        return "{\"topic\":%s,\"partition\":%d,\"offset\":%d,\"timestamp\":%d,\"key_b64\":%s,\"value_b64\":%s,\"headers\":[%s]}"
                .formatted(text(record.topic()), record.partition(), record.offset(), record.timestamp(),
                        base64(record.key()), base64(record.value()), headers);
    }

    private static String base64(byte[] bytes) {
        return bytes == null ? "null" : '"' + Base64.getEncoder().encodeToString(bytes) + '"';
    }

    private static String text(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            out.append(c == '"' || c == '\\' || c < ' ' ? "\\u%04x".formatted((int) c) : String.valueOf(c));
        }
        return out.append('"').toString();
    }
}
