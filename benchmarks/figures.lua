-- Shared by the scripts: reads lines of the data file, and prints what drive.py reads.
local figures = {}

function figures.lines(name)
  local found = {}
  for line in io.lines(os.getenv("IDHUB_BENCH_DATA") .. "/" .. name) do found[#found + 1] = line end
  return found
end

function figures.split(line)
  local parts = {}
  for part in line:gmatch("[^\t]+") do parts[#parts + 1] = part end
  return parts
end

function figures.done(summary, latency)
  local errors = summary.errors
  local wrong = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format(
    'FIGURES {"requests": %d, "seconds": %.3f, "p50": %.3f, "p95": %.3f, "p99": %.3f, "wrong": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(95) / 1000,
    latency:percentile(99) / 1000, wrong))
end

return figures
