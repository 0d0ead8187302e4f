-- What wrk sends, and what it says at the end: one line of JSON. Arguments: kind, path, number of products.
local kind, path, products, sent
local headers = { ["Content-Type"] = "application/json" }

function init(args)
  kind, path, products, sent = args[1], args[2], tonumber(args[3]), 0
  -- A run must not make the products of the one before.
  math.randomseed(os.time())
  prefix = string.format("%06x", math.random(0, 16777215))
end

local function body()
  if kind == "restock" then return '{"quantity": 1}' end
  if kind == "adjust" then return string.format('{"delta": %d, "reason": "bench"}', sent % 2 == 0 and 1 or -1) end
  return string.format('{"name": "New product %d", "sku": "%s-%d", "stock_level": 5, "price": 9.99}', sent, prefix, sent)
end

function request()
  sent = sent + 1
  -- Not every tenth product: those have little or nothing in stock.
  local target = path:gsub("{}", tostring(math.random(0, products / 10 - 1) * 10 + math.random(1, 9)))
  if kind == "get" or kind == "product" then return wrk.format("GET", target) end
  return wrk.format("POST", target, headers, body())
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "duration_us": %d, "p50_us": %.0f, "p99_us": %.0f, "failed": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
