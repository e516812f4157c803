-- POST authenticate for a random user of the data file payers.tsv: slug, key, user name, API host.
package.path = os.getenv("IDHUB_BENCH_LUA") .. "/?.lua;" .. package.path
local figures = require("figures")
local payers = figures.lines("payers.tsv")
math.randomseed(20261121)

function request()
  local payer = figures.split(payers[math.random(#payers)])
  local body = '{"UserName": "' .. payer[3] .. '"}'
  return wrk.format("POST", "/api/v1/remote-authentication/authenticate",
    { ["Host"] = payer[4], ["X-Api-Key"] = payer[2], ["Content-Type"] = "application/json" }, body)
end

function done(summary, latency) figures.done(summary, latency) end
