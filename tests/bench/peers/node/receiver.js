// The Node peer: what one writes in an afternoon with node:http and kafkajs, and honestly: it verifies, and it awaits acks=all.

import cluster from 'node:cluster';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';

const text = { type: 'string' };
const options = { broker: text, topic: text, secret: text, 'ready-file': text, workers: text };
const { values: given } = parseArgs({ options });
const workers = Number(given.workers ?? '1');

if (workers > 1 && cluster.isPrimary) {
  lead();
} else {
  await serve();
}

// Starts the workers, tells when all of them listen, and ends with them.
function lead() {
  let listening = 0;
  for (let worker = 0; worker < workers; worker += 1) cluster.fork();
  cluster.on('listening', (_, address) => {
    listening += 1;
    if (listening === workers) tell(address.port);
  });
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill('SIGTERM');
  });
  cluster.on('exit', () => {
    if (Object.keys(cluster.workers).length === 0) process.exit(0);
  });
}

function tell(port) {
  writeFileSync(given['ready-file'], JSON.stringify({ ingest: `http://127.0.0.1:${port}` }));
}

async function serve() {
  const kafka = new Kafka({ brokers: [given.broker], logLevel: logLevel.ERROR });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const append = batches(producer, given.topic);
  const server = createServer((request, response) => receive(request, response, append));
  server.listen(0, '127.0.0.1', () => {
    if (!cluster.isWorker) tell(server.address().port);
  });
  process.on('SIGTERM', async () => {
    server.close();
    server.closeAllConnections();
    await producer.disconnect();
    process.exit(0);
  });
}

// kafkajs sends each call as a request of its own, one at a time: what comes meanwhile goes together with the next.
function batches(producer, topic) {
  let waiting = [];
  let sending = false;
  const send = async () => {
    sending = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const messages = batch.map(({ message }) => message);
        await producer.send({ topic, acks: -1, compression: CompressionTypes.None, messages });
        for (const { done } of batch) done(200);
      } catch {
        for (const { done } of batch) done(503);
      }
    }
    sending = false;
  };
  return (message, done) => {
    waiting.push({ message, done });
    if (!sending) send();
  };
}

function receive(request, response, append) {
  const answer = (status) => {
    response.statusCode = status;
    response.end();
  };
  if (request.method !== 'POST' || request.url !== '/in/github') {
    answer(404);
    return;
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (!verified(request.headers['x-hub-signature-256'], body)) {
      answer(401);
      return;
    }
    const delivery = request.headers['x-github-delivery'];
    const repository = repositoryOf(body);
    if (delivery === undefined || repository === undefined) {
      answer(400);
      return;
    }
    append({ key: String(repository), value: body, headers: { delivery } }, answer);
  });
}

function repositoryOf(body) {
  try {
    return JSON.parse(body.toString()).repository?.id;
  } catch {
    return undefined;
  }
}

function verified(given256, body) {
  const signature = Buffer.from(given256?.startsWith('sha256=') ? given256.slice('sha256='.length) : '', 'hex');
  const expected = createHmac('sha256', given.secret).update(body).digest();
  return signature.length === expected.length && timingSafeEqual(signature, expected);
}
