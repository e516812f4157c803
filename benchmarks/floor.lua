-- POST to the floor route, with a body like that of authenticate.
package.path = os.getenv("IDHUB_BENCH_LUA") .. "/?.lua;" .. package.path
local figures = require("figures")
local payers = figures.lines("payers.tsv")
math.randomseed(20261121)

function request()
  local payer = figures.split(payers[math.random(#payers)])
  return wrk.format("POST", "/floor",
    { ["X-Api-Key"] = payer[2], ["Content-Type"] = "application/json" }, '{"UserName": "' .. payer[3] .. '"}')
end

function done(summary, latency) figures.done(summary, latency) end
