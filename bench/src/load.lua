-- The script for wrk: sends the requests of one scenario, and prints what wrk counted.
-- Arguments: the requests, a file with one cookie a line, and the number of slots of the hot session.

local cookies, turn = {}, 0

local function format(method, path, cookie)
  return method .. " " .. path .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nCookie: " .. cookie .. "\r\n\r\n"
end

local function read(cookie) return format("GET", "/read", cookie) end
local function change(cookie) return format("POST", "/change", cookie) end

-- Sends one request to each session in turn.
local function in_turns(choose)
  return function()
    turn = turn % #cookies + 1
    return choose(cookies[turn])
  end
end

local scenarios = {}

function scenarios.read() request = in_turns(read) end
function scenarios.change() request = in_turns(change) end

function scenarios.mixed()
  local sent = 0
  request = in_turns(function(cookie)
    sent = sent + 1
    return sent % 10 == 0 and change(cookie) or read(cookie)
  end)
end

-- A session takes its next request after the response to the last one, which brings the new cookie.
scenarios["sign-in"] = function()
  local free = cookies
  function request() return format("POST", "/sign-in", table.remove(free, 1)) end
  function response(_, headers)
    local cookie = headers["set-cookie"] or headers["Set-Cookie"] or "none"
    free[#free + 1] = cookie:match("[^;]*")
  end
end

-- A slot takes its next request after the response to the last one.
function scenarios.hot(slots)
  local free = {}
  for slot = 0, slots - 1 do free[#free + 1] = slot end
  function request() return format("POST", "/slot/" .. table.remove(free), cookies[1]) end
  function response(_, _, body) free[#free + 1] = tonumber(body) end
end

function init(args)
  for line in io.lines(args[2]) do cookies[#cookies + 1] = line end
  math.randomseed(os.time())
  turn = math.random(#cookies)
  scenarios[args[1]](tonumber(args[3]))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "\nresult %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
