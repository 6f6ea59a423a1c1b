-- Takes what one request needs from all who pay for it, or nothing; far from their bounds also for requests that are still to come.
-- ARGV: this replica's session, tokens, requests (1, or 0 for more money only), for how many more requests to take ahead at most,
-- and of what is left of a bound no more than one part in how many; for each payer: requests a minute, tokens a minute, requests
-- in work (0: no bound), budget (-1: none), worst case, spent before there was a purse, spent as this replica knows, seconds to
-- keep the purse, then what it holds already that was taken ahead: requests, tokens, places, money; at the end what the names of
-- living replicas begin with.
-- KEYS: for each payer its pace and its purse. A pace holds `requests` and `tokens` (when all that came will have flowed out)
-- and, in sums that only grow, a:SESSION and b:SESSION (places taken there, and given back); a purse holds `base`, s:REPLICA
-- (settled by it), r:SESSION and d:SESSION (reserved in it, and given back).
-- The answer is one text, so that it is read without a parser of nested values. Its first figure is for how many requests was
-- taken: 0 is a refusal.
-- The time is the server's own, microseconds. Money is in units of 1e-12 dollars.
local EACH, MINUTE = 12, 60000000
-- Fewer than these are not worth it: each request asks.
local FEWEST = 4
local me, tokens, requests, alive = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[#ARGV]
local ahead, portion = tonumber(ARGV[4]), tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

-- The sum of the fields of a kind; what belongs to sessions that are over goes first where `clean` says so.
local function sums(key, clean)
  local fields, sum = redis.call('HGETALL', key), {a = 0, b = 0, r = 0, d = 0, s = 0, base = 0}
  for at = 1, #fields, 2 do
    local name, amount = fields[at], tonumber(fields[at + 1])
    local kind = name:sub(1, 1)
    if name:sub(2, 2) == ':' then
      if clean and kind ~= 's' and redis.call('EXISTS', alive .. name:sub(3)) == 0 then
        redis.call('HDEL', key, name)
      else
        sum[kind] = sum[kind] + amount
      end
    elseif name == 'base' then
      sum.base = amount
    end
  end
  sum.active, sum.reserved = sum.a - sum.b, sum.r - sum.d
  return sum
end

local function fill(empty_at, per_minute, count)
  local after = math.max(tonumber(empty_at or '0'), now) + count * MINUTE / per_minute
  return after, after - now - MINUTE
end

local function left(after, per_minute)
  if not after then return -1, 0 end
  return math.floor((MINUTE - (after - now)) * per_minute / MINUTE + 0.000001), math.ceil((after - now) / 1000)
end

local function refuse(payer, why, ...)
  return table.concat({0, payer, why, ...}, ' ')
end

-- So much of a bound is left beside this request, of which others need as much as it does.
local function leave(room, need)
  if need > 0 then ahead = math.min(ahead, math.floor(room / portion / need)) end
end

-- What is missing to what so many requests need.
local function more(need, held)
  return math.max(0, ahead * need - tonumber(held))
end

local plan = {}
for payer = 1, #KEYS / 2 do
  local at = 5 + (payer - 1) * EACH
  local rpm, tpm, most = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local limit, worst = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local step = {at = at, pace = KEYS[2 * payer - 1], purse = KEYS[2 * payer], rpm = rpm, tpm = tpm, worst = worst}
  if requests > 0 then
    local state = redis.call('HMGET', step.pace, 'requests', 'tokens')
    if rpm > 0 then
      local after, over = fill(state[1], rpm, requests)
      if over > 0 then return refuse(payer, 'requests', math.ceil(over / 1000)) end
      step.requests = after
      leave(-over * rpm / MINUTE, requests)
    end
    if tpm > 0 then
      local after, over = fill(state[2], tpm, tokens)
      if tokens > tpm then return refuse(payer, 'tokens', -1) end
      if over > 0 then return refuse(payer, 'tokens', math.ceil(over / 1000)) end
      step.tokens = after
      leave(-over * tpm / MINUTE, tokens)
    end
    if most > 0 then
      local active = sums(step.pace).active
      if active >= most then active = sums(step.pace, true).active end
      if active >= most then return refuse(payer, 'active', 0) end
      step.active = true
      leave(most - active - 1, 1)
    end
  end
  step.spent, step.reserved, step.base = 0, 0, 0
  if limit >= 0 then
    local known = tonumber(ARGV[at + 7])
    local function look(clean)
      local sum = sums(step.purse, clean)
      step.base = redis.call('HEXISTS', step.purse, 'base') == 1 and sum.base or tonumber(ARGV[at + 6])
      step.spent, step.reserved = math.max(step.base + sum.s, known), sum.reserved + worst
      return step.spent + step.reserved <= limit
    end
    if not look(false) and not look(true) then
      return refuse(payer, 'money', string.format('%.0f', step.spent), string.format('%.0f', step.reserved - worst))
    end
    step.keep = ARGV[at + 8]
    leave(limit - step.spent - step.reserved, worst)
  end
  plan[#plan + 1] = step
end

if ahead < FEWEST then ahead = 0 end
local answer = {1 + ahead}
local function say(...)
  for _, figure in ipairs({...}) do answer[#answer + 1] = string.format('%.0f', figure) end
end
for _, step in ipairs(plan) do
  local held = step.at + 8
  if step.requests then
    step.requests = step.requests + more(requests, ARGV[held + 1]) * MINUTE / step.rpm
    redis.call('HSET', step.pace, 'requests', string.format('%.0f', step.requests))
  end
  if step.tokens then
    step.tokens = step.tokens + more(tokens, ARGV[held + 2]) * MINUTE / step.tpm
    redis.call('HSET', step.pace, 'tokens', string.format('%.0f', step.tokens))
  end
  if step.active then redis.call('HINCRBY', step.pace, 'a:' .. me, 1 + more(1, ARGV[held + 3])) end
  if step.requests or step.tokens or step.active then redis.call('PEXPIRE', step.pace, 90000000) end
  if step.keep then
    local extra = more(step.worst, ARGV[held + 4])
    step.reserved = step.reserved + extra
    redis.call('HSETNX', step.purse, 'base', ARGV[step.at + 6])
    -- As text it is exact however large it is.
    redis.call('HINCRBY', step.purse, 'r:' .. me, ARGV[step.at + 5])
    if extra > 0 then redis.call('HINCRBY', step.purse, 'r:' .. me, string.format('%.0f', extra)) end
    redis.call('EXPIRE', step.purse, step.keep)
  end
  say(step.spent, step.reserved, step.base)
  say(left(step.requests, step.rpm))
  say(left(step.tokens, step.tpm))
end
return table.concat(answer, ' ')
