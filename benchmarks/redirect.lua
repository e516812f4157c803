-- POST /sso/connect in a full page with a random token of the data file tokens.tsv: slug, host, token. The right answer is 303.
package.path = os.getenv("IDHUB_BENCH_LUA") .. "/?.lua;" .. package.path
local figures = require("figures")
local tokens = figures.lines("tokens.tsv")
math.randomseed(20261121)

function request()
  local token = figures.split(tokens[math.random(#tokens)])
  return wrk.format("POST", "/b/" .. token[1] .. "/sso/connect",
    { ["Host"] = token[2], ["Content-Type"] = "application/x-www-form-urlencoded", ["Sec-Fetch-Dest"] = "document" },
    "ViewMode=0&RedirectID=1&RemoteAuthenticationToken=" .. token[3])
end

function done(summary, latency) figures.done(summary, latency) end
