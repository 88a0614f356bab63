// The Vert.x peer: what one writes in an afternoon with Vert.x and Kafka's own client, and honestly: it verifies, and it awaits acks=all.

import io.vertx.core.AbstractVerticle;
import io.vertx.core.Context;
import io.vertx.core.DeploymentOptions;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** One of them serves on each event loop; all share one producer. */
public final class Receiver extends AbstractVerticle {
    private static final String ALGORITHM = "HmacSHA256";
    private static final String SCHEME = "sha256=";

    private final Producer<byte[], byte[]> producer;
    private final String topic;
    private final int port;
    private final Mac mac;
    private Context loop;

    private Receiver(Producer<byte[], byte[]> producer, String topic, String secret, int port) throws Exception {
        this.producer = producer;
        this.topic = topic;
        this.port = port;
        mac = Mac.getInstance(ALGORITHM);
        mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), ALGORITHM));
    }

    public static void main(String[] words) throws Exception {
        Map<String, String> arguments = arguments(words);
        int loops = Integer.parseInt(arguments.getOrDefault("workers", "1"));
        String topic = arguments.get("topic");
        Producer<byte[], byte[]> producer = producer(arguments.get("broker"));
        // The first look at the cluster blocks; an event loop must not.
        producer.partitionsFor(topic);
        Vertx vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(loops));
        int port = freePort();
        for (int loop = 0; loop < loops; loop++) {
            Receiver receiver = new Receiver(producer, topic, arguments.get("secret"), port);
            vertx.deployVerticle(receiver, new DeploymentOptions()).toCompletionStage().toCompletableFuture().get();
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> producer.close(Duration.ofSeconds(5))));
        JsonObject ready = new JsonObject().put("ingest", "http://127.0.0.1:" + port);
        Files.writeString(Path.of(arguments.get("ready-file")), ready.encode());
    }

    private static Map<String, String> arguments(String[] words) {
        Map<String, String> arguments = new HashMap<>();
        for (int at = 0; at + 1 < words.length; at += 2) {
            arguments.put(words[at].substring("--".length()), words[at + 1]);
        }
        return arguments;
    }

    private static Producer<byte[], byte[]> producer(String broker) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", broker);
        properties.put("acks", "all");
        properties.put("enable.idempotence", "true");
        properties.put("linger.ms", "0");
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** All event loops listen on the same port, so it is chosen before. */
    private static int freePort() throws Exception {
        try (java.net.ServerSocket socket = new java.net.ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    @Override
    public void start(Promise<Void> started) {
        loop = context;
        vertx.createHttpServer().requestHandler(this::receive).listen(port, "127.0.0.1")
            .<Void>mapEmpty().onComplete(started);
    }

    private void receive(HttpServerRequest request) {
        if (request.method() != HttpMethod.POST || !"/in/github".equals(request.path())) {
            answer(request, 404);
            return;
        }
        request.body().onSuccess(body -> store(request, body)).onFailure(cause -> request.connection().close());
    }

    private void store(HttpServerRequest request, Buffer body) {
        byte[] bytes = body.getBytes();
        if (!verified(request.getHeader("x-hub-signature-256"), bytes)) {
            answer(request, 401);
            return;
        }
        String delivery = request.getHeader("x-github-delivery");
        Long repository = repository(body);
        if (delivery == null || repository == null) {
            answer(request, 400);
            return;
        }
        byte[] key = repository.toString().getBytes(StandardCharsets.UTF_8);
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, key, bytes);
        record.headers().add("delivery", delivery.getBytes(StandardCharsets.UTF_8));
        producer.send(record, (place, failure) ->
            loop.runOnContext(none -> answer(request, failure == null ? 200 : 503)));
    }

    private static Long repository(Buffer body) {
        try {
            JsonObject repository = new JsonObject(body).getJsonObject("repository");
            return repository == null ? null : repository.getLong("id");
        } catch (DecodeException | ClassCastException undecodable) {
            return null;
        }
    }

    private boolean verified(String given, byte[] body) {
        if (given == null || !given.startsWith(SCHEME)) {
            return false;
        }
        try {
            byte[] signature = HexFormat.of().parseHex(given, SCHEME.length(), given.length());
            return MessageDigest.isEqual(signature, mac.doFinal(body));
        } catch (IllegalArgumentException noHex) {
            return false;
        }
    }

    private static void answer(HttpServerRequest request, int status) {
        request.response().setStatusCode(status).end();
    }
}
