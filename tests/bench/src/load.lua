-- Signed webhooks, one after the other on every connection; BODIES and SIGNATURES stand above this.
-- All that differs between two requests of one key is the delivery's id, so a request is one concatenation; where they are spread over
-- sources, the path differs too.
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

local line, rest, tails, sent, run, sources = nil, nil, {}, 0, nil, 0

function init(args)
  run, sources = args[1], tonumber(args[2])
  line = "POST " .. wrk.path
  rest = " HTTP/1.1\r\nHost: " .. wrk.headers["Host"]
    .. "\r\nUser-Agent: GitHub-Hookshot/0123456\r\nAccept: */*\r\nContent-Type: application/json"
    .. "\r\nX-GitHub-Hook-ID: 292430182\r\nX-GitHub-Hook-Installation-Target-ID: 79929171"
    .. "\r\nX-GitHub-Hook-Installation-Target-Type: repository\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: "
  if sources == 0 then line, rest = line .. rest, nil end
  for n, body in ipairs(BODIES) do
    tails[n] = "\r\nX-Hub-Signature-256: " .. SIGNATURES[n] .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
  end
  BODIES, SIGNATURES = nil, nil
  -- Threads begin at different keys.
  sent = math.floor(#tails / 2) * number
end

function request()
  sent = sent + 1
  local head = line
  -- A prime apart: neighbours in time are no neighbours in the table of sources.
  if rest then head = line .. "-" .. sent * 7919 % sources .. rest end
  return head .. string.format("%s-%04x-%012x", run, number, sent) .. tails[sent % #tails + 1]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nsummary {"requests":%d,"micros":%d,"refused":%d,"broken":%d,"p50_micros":%d,"p99_micros":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
