// The checks of tests/it/clients as Apache Kafka's own Java client makes them.
//
//   java -cp 'LIBS/*' tests/java/ClientSuite.java BOOTSTRAP [--transactions refused|ok]
//
// Prints "ok NAME" for each check, "FAILED NAME: why" for the one that fails, and then exits with 1.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class ClientSuite {
    static final int RECORDS = 1_000;
    static final int PARTITIONS = 4;
    static final long FIRST = 1_700_000_000_000L;
    static final Duration PATIENCE = Duration.ofSeconds(30);

    static String bootstrap;
    static final String topic = "java-" + UUID.randomUUID();
    static final String group = "java-" + UUID.randomUUID();

    interface Check {
        void run() throws Exception;
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        boolean refused = arguments.length < 3 || !arguments[2].equals("ok");
        check("a topic is created, described and changed", ClientSuite::topics);
        check("what cannot be created is refused", ClientSuite::refusals);
        check("an idempotent producer sends 1000 records with headers", ClientSuite::produce);
        check("every codec is read back", ClientSuite::codecs);
        check("a record beyond the topic's limit is refused", ClientSuite::tooLarge);
        check("two members of a group read everything once and commit", ClientSuite::consume);
        check("reading goes on at the committed position", ClientSuite::readOn);
        check("times lead to offsets", ClientSuite::times);
        check("beyond the end is an error without a reset", ClientSuite::outOfRange);
        check("groups are listed, described, changed and deleted", ClientSuite::groups);
        check("records and topics are deleted", ClientSuite::delete);
        check("transactions are " + (refused ? "refused" : "committed"), refused ? ClientSuite::refusedTransaction : ClientSuite::transaction);
        System.exit(0);
    }

    static void check(String name, Check check) {
        try {
            check.run();
            System.out.println("ok " + name);
        } catch (Throwable problem) {
            System.out.println("FAILED " + name + ": " + problem);
            problem.printStackTrace();
            System.exit(1);
        }
    }

    static void holds(boolean condition, Object found) {
        if (!condition) {
            throw new AssertionError("found " + found);
        }
    }

    // ---- clients

    static Properties properties(Map<String, Object> settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.putAll(settings);
        return properties;
    }

    static Admin admin() {
        return Admin.create(properties(Map.of("default.api.timeout.ms", 30_000)));
    }

    static KafkaProducer<String, String> producer(Map<String, Object> settings) {
        return new KafkaProducer<>(properties(settings), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String group, String reset) {
        return new KafkaConsumer<>(properties(Map.of(
            "group.id", group,
            "auto.offset.reset", reset,
            "enable.auto.commit", false,
            "partition.assignment.strategy", CooperativeStickyAssignor.class.getName())),
            new StringDeserializer(), new StringDeserializer());
    }

    /** The reason a future failed with. */
    static Throwable reason(org.apache.kafka.common.KafkaFuture<?> future) throws InterruptedException {
        try {
            future.get();
        } catch (ExecutionException failed) {
            return failed.getCause();
        }
        throw new AssertionError("it was not refused");
    }

    static TopicPartition place(int partition) {
        return new TopicPartition(topic, partition);
    }

    // ---- checks

    static void topics() throws Exception {
        try (Admin admin = admin()) {
            Map<String, String> settings = Map.of("retention.ms", "-1", "segment.bytes", "2097152");
            admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1).configs(settings))).all().get();
            var described = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            holds(described.partitions().size() == PARTITIONS, described);
            var byId = admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(described.topicId())));
            holds(byId.allTopicIds().get().get(described.topicId()).name().equals(topic), described.topicId());
            holds(admin.listTopics().names().get().contains(topic), "no such topic in the list");
            holds(!admin.describeCluster().clusterId().get().isEmpty(), "no cluster id");
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            var change = new AlterConfigOp(new ConfigEntry("max.message.bytes", "2000000"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
            var config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            holds(config.get("max.message.bytes").value().equals("2000000"), config);
            holds(config.get("segment.bytes").value().equals("2097152"), config);
            var other = "java-grown-" + UUID.randomUUID();
            admin.createTopics(List.of(new NewTopic(other, Optional.empty(), Optional.of((short) 1)))).all().get();
            admin.createPartitions(Map.of(other, NewPartitions.increaseTo(9))).all().get();
            int count = 0;
            for (long end = System.nanoTime() + PATIENCE.toNanos(); count != 9 && System.nanoTime() < end; ) {
                count = admin.describeTopics(List.of(other)).allTopicNames().get().get(other).partitions().size();
            }
            holds(count == 9, count);
        }
    }

    static void refusals() throws Exception {
        try (Admin admin = admin()) {
            var again = admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all();
            holds(reason(again) instanceof TopicExistsException, "another reason");
            var three = admin.createTopics(List.of(new NewTopic("java-three", 1, (short) 3))).all();
            holds(reason(three) instanceof InvalidReplicationFactorException, "another reason");
            var unknown = new NewTopic("java-unknown", 1, (short) 1).configs(Map.of("no.such.setting", "1"));
            holds(reason(admin.createTopics(List.of(unknown)).all()) instanceof InvalidConfigurationException, "another reason");
        }
    }

    static void produce() throws Exception {
        try (var producer = producer(Map.of("enable.idempotence", true, "acks", "all", "linger.ms", 5))) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = 0; n < RECORDS; n++) {
                var record = new ProducerRecord<>(topic, n % PARTITIONS, FIRST + n * 1_000L, "key " + n, "value " + n);
                record.headers().add("id", Integer.toString(n).getBytes(StandardCharsets.UTF_8));
                sent.add(producer.send(record));
            }
            for (int n = 0; n < RECORDS; n++) {
                var placed = sent.get(n).get();
                holds(placed.partition() == n % PARTITIONS && placed.offset() == n / PARTITIONS, placed);
            }
        }
    }

    static void codecs() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String own = "java-" + codec + "-" + UUID.randomUUID();
            try (Admin admin = admin()) {
                admin.createTopics(List.of(new NewTopic(own, 1, (short) 1))).all().get();
            }
            try (var producer = producer(Map.of("compression.type", codec, "linger.ms", 50))) {
                for (int n = 0; n < 200; n++) {
                    producer.send(new ProducerRecord<>(own, "key", codec + " " + n + " ".repeat(200)));
                }
            }
            try (var consumer = consumer(group + codec, "earliest")) {
                var partition = new TopicPartition(own, 0);
                consumer.assign(List.of(partition));
                int next = 0;
                for (long end = System.nanoTime() + PATIENCE.toNanos(); next < 200 && System.nanoTime() < end; ) {
                    for (var record : consumer.poll(Duration.ofMillis(200))) {
                        holds(record.offset() == next && record.value().startsWith(codec + " " + next + " "), record);
                        next++;
                    }
                }
                holds(next == 200, next);
            }
        }
    }

    static void tooLarge() throws Exception {
        try (var producer = producer(Map.of("max.request.size", 10_000_000))) {
            var record = new ProducerRecord<>(topic, 0, "key", "x".repeat(3_000_000));
            try {
                producer.send(record).get();
            } catch (ExecutionException refused) {
                holds(refused.getCause() instanceof RecordTooLargeException, refused.getCause());
                return;
            }
            throw new AssertionError("it was not refused");
        }
    }

    static void consume() throws Exception {
        try (var first = consumer(group, "earliest"); var second = consumer(group, "earliest")) {
            first.subscribe(List.of(topic));
            second.subscribe(List.of(topic));
            Set<String> seen = new HashSet<>();
            long end = System.nanoTime() + PATIENCE.toNanos();
            boolean shared = false;
            // On to the end: the two must come to share, whoever has read what by then.
            while ((seen.size() < RECORDS || !shared) && System.nanoTime() < end) {
                for (var member : List.of(first, second)) {
                    for (ConsumerRecord<String, String> record : member.poll(Duration.ofMillis(100))) {
                        Header id = record.headers().lastHeader("id");
                        holds(record.value().equals("value " + new String(id.value(), StandardCharsets.UTF_8)), record);
                        holds(seen.add(record.value()), "twice: " + record);
                    }
                    try {
                        member.commitSync(PATIENCE);
                    } catch (org.apache.kafka.clients.consumer.CommitFailedException
                            | org.apache.kafka.common.errors.RebalanceInProgressException rebalancing) {
                        // Committed again after the next poll.
                    }
                }
                shared = first.assignment().size() == 2 && second.assignment().size() == 2;
            }
            holds(seen.size() == RECORDS, seen.size());
            holds(shared, first.assignment() + " " + second.assignment());
        }
        try (Admin admin = admin()) {
            var committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            for (int partition = 0; partition < PARTITIONS; partition++) {
                holds(committed.get(place(partition)).offset() == RECORDS / PARTITIONS, committed);
            }
        }
    }

    static void readOn() throws Exception {
        try (var producer = producer(Map.of())) {
            for (int partition = 0; partition < PARTITIONS; partition++) {
                producer.send(new ProducerRecord<>(topic, partition, FIRST + RECORDS * 1_000L, "key", "new")).get();
            }
        }
        try (var consumer = consumer(group, "none")) {
            consumer.subscribe(List.of(topic));
            int read = 0;
            for (long end = System.nanoTime() + PATIENCE.toNanos(); read < PARTITIONS && System.nanoTime() < end; ) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    holds(record.value().equals("new") && record.offset() == RECORDS / PARTITIONS, record);
                    read++;
                }
            }
            holds(read == PARTITIONS, read);
            consumer.commitSync();
        }
    }

    static void times() throws Exception {
        try (var consumer = consumer(group + "times", "none"); Admin admin = admin()) {
            // Record n lies in partition n % 4 at offset n / 4, n seconds after the first: partition 1 at 401 is offset 100.
            var found = consumer.offsetsForTimes(Map.of(place(1), FIRST + 401_000L)).get(place(1));
            holds(found.offset() == 100 && found.timestamp() == FIRST + 401_000L, found);
            found = consumer.offsetsForTimes(Map.of(place(1), FIRST + 401_001L)).get(place(1));
            holds(found.offset() == 101, found);
            holds(consumer.offsetsForTimes(Map.of(place(1), FIRST * 2)).get(place(1)) == null, "a record from the future");
            holds(consumer.beginningOffsets(List.of(place(0))).get(place(0)) == 0L, "another beginning");
            holds(consumer.endOffsets(List.of(place(0))).get(place(0)) == RECORDS / PARTITIONS + 1, "another end");
            var latest = admin.listOffsets(Map.of(place(0), OffsetSpec.maxTimestamp())).partitionResult(place(0)).get();
            holds(latest.offset() == RECORDS / PARTITIONS && latest.timestamp() == FIRST + RECORDS * 1_000L, latest);
        }
    }

    static void outOfRange() {
        try (var consumer = consumer(group + "range", "none")) {
            consumer.assign(List.of(place(0)));
            consumer.seek(place(0), 1_000_000);
            for (long end = System.nanoTime() + PATIENCE.toNanos(); System.nanoTime() < end; ) {
                try {
                    consumer.poll(Duration.ofMillis(200));
                } catch (OffsetOutOfRangeException expected) {
                    holds(expected.offsetOutOfRangePartitions().containsKey(place(0)), expected);
                    return;
                }
            }
            throw new AssertionError("no error in " + PATIENCE);
        }
    }

    static void groups() throws Exception {
        try (Admin admin = admin()) {
            boolean listed = admin.listGroups().all().get().stream().anyMatch(found -> found.groupId().equals(group));
            holds(listed, "no such group in the list");
            var described = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            holds(described.members().isEmpty() && described.groupState().toString().equals("Empty"), described);
            admin.alterConsumerGroupOffsets(group, Map.of(place(2), new OffsetAndMetadata(7, "by hand"))).all().get();
            var committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(place(2));
            holds(committed.offset() == 7 && committed.metadata().equals("by hand"), committed);
            admin.deleteConsumerGroups(List.of(group)).all().get();
            listed = admin.listGroups().all().get().stream().anyMatch(found -> found.groupId().equals(group));
            holds(!listed, "still in the list");
        }
    }

    static void delete() throws Exception {
        try (Admin admin = admin(); var consumer = consumer(group + "delete", "none")) {
            var low = admin.deleteRecords(Map.of(place(0), RecordsToDelete.beforeOffset(30))).lowWatermarks();
            holds(low.get(place(0)).get().lowWatermark() == 30, low);
            holds(consumer.beginningOffsets(List.of(place(0))).get(place(0)) == 30L, "another beginning");
            admin.deleteTopics(List.of(topic)).all().get();
            boolean listed = true;
            for (long end = System.nanoTime() + PATIENCE.toNanos(); listed && System.nanoTime() < end; ) {
                listed = admin.listTopics().names().get().contains(topic);
            }
            holds(!listed, "still in the list");
        }
    }

    static KafkaProducer<String, String> transactional() {
        return producer(Map.of("transactional.id", "java-" + UUID.randomUUID(), "max.block.ms", 20_000));
    }

    static void refusedTransaction() {
        try (var producer = transactional()) {
            producer.initTransactions();
        } catch (KafkaException refused) {
            String said = refused + " " + refused.getCause();
            holds(said.contains("the dev broker has no transactions: use a real Kafka"), said);
            return;
        }
        throw new AssertionError("it was not refused");
    }

    static void transaction() throws Exception {
        String own = "java-transactions-" + UUID.randomUUID();
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(own, 1, (short) 1))).all().get();
        }
        try (var producer = transactional()) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(own, "key", "value")).get();
            producer.commitTransaction();
        }
    }
}
