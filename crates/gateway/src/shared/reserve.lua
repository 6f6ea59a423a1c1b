-- Takes what one request needs from all who pay for it, or nothing.
-- ARGV: this replica's session, tokens, requests (1, or 0 for more money only); for each payer: requests a minute, tokens a minute,
-- requests in work (0: no bound), budget (-1: none), worst case, spent before there was a purse, spent as this replica knows,
-- seconds to keep the purse; at the end what the names of living replicas begin with.
-- KEYS: for each payer its pace and its purse. A pace holds `requests` and `tokens` (when all that came will have flowed out)
-- and, in sums that only grow, a:SESSION and b:SESSION (places taken there, and given back); a purse holds `base`, s:REPLICA
-- (settled by it), r:SESSION and d:SESSION (reserved in it, and given back).
-- The answer is one text, so that it is read without a parser of nested values.
-- The time is the server's own, microseconds. Money is in units of 1e-12 dollars.
local EACH, MINUTE = 8, 60000000
local me, tokens, requests, alive = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[#ARGV]
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

local plan, answer = {}, {1}
for payer = 1, #KEYS / 2 do
  local at = 3 + (payer - 1) * EACH
  local rpm, tpm, most = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local limit, worst = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local step = {pace = KEYS[2 * payer - 1], purse = KEYS[2 * payer], worst = ARGV[at + 5], base = ARGV[at + 6]}
  if requests > 0 then
    local state = redis.call('HMGET', step.pace, 'requests', 'tokens')
    if rpm > 0 then
      local after, over = fill(state[1], rpm, requests)
      if over > 0 then return refuse(payer, 'requests', math.ceil(over / 1000)) end
      step.requests = after
    end
    if tpm > 0 then
      local after, over = fill(state[2], tpm, tokens)
      if tokens > tpm then return refuse(payer, 'tokens', -1) end
      if over > 0 then return refuse(payer, 'tokens', math.ceil(over / 1000)) end
      step.tokens = after
    end
    if most > 0 then
      if sums(step.pace).active >= most and sums(step.pace, true).active >= most then return refuse(payer, 'active', 0) end
      step.active = true
    end
  end
  local spent, reserved, base = 0, 0, 0
  if limit >= 0 then
    local known = tonumber(ARGV[at + 7])
    local function look(clean)
      local sum = sums(step.purse, clean)
      base = redis.call('HEXISTS', step.purse, 'base') == 1 and sum.base or tonumber(step.base)
      spent, reserved = math.max(base + sum.s, known), sum.reserved
      return spent + reserved + worst <= limit
    end
    if not look(false) and not look(true) then
      return refuse(payer, 'money', string.format('%.0f', spent), string.format('%.0f', reserved))
    end
    step.keep = ARGV[at + 8]
  end
  plan[#plan + 1] = step
  answer[#answer + 1] = string.format('%.0f', spent)
  answer[#answer + 1] = string.format('%.0f', reserved + worst)
  answer[#answer + 1] = string.format('%.0f', base)
  for _, figure in ipairs({{step.requests, rpm}, {step.tokens, tpm}}) do
    local remaining, reset = left(figure[1], figure[2])
    answer[#answer + 1] = remaining
    answer[#answer + 1] = reset
  end
end
for _, step in ipairs(plan) do
  if step.requests then redis.call('HSET', step.pace, 'requests', string.format('%.0f', step.requests)) end
  if step.tokens then redis.call('HSET', step.pace, 'tokens', string.format('%.0f', step.tokens)) end
  if step.active then redis.call('HINCRBY', step.pace, 'a:' .. me, 1) end
  if step.requests or step.tokens or step.active then redis.call('PEXPIRE', step.pace, 90000000) end
  if step.keep then
    redis.call('HSETNX', step.purse, 'base', step.base)
    redis.call('HINCRBY', step.purse, 'r:' .. me, step.worst)
    redis.call('EXPIRE', step.purse, step.keep)
  end
end
return table.concat(answer, ' ')
