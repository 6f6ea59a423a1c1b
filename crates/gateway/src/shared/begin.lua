-- Begins a session of one replica with one purse or pace: what is open there, and what replicas are known to have settled.
-- Where the database has forgotten some of it and the session goes on: what was taken in it, of which the larger sum is right.
-- KEYS: purse or pace. ARGV: the session before (empty: this one goes on), this one, what the names of what is taken and of what is given back begin with,
-- open or taken in this session, milliseconds to keep it all, spent before there was a purse (empty: a pace), 1 where that
-- is certain; then for each replica that is known its name and what it has settled. Of two that are certain the smaller one is
-- right: what is more in the other, a replica has settled, and tells.
local before, session, taken, back = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if ARGV[7] ~= '' then
  local base = redis.call('HGET', KEYS[1], 'base')
  if not base or ARGV[8] == '1' and tonumber(ARGV[7]) < tonumber(base) then redis.call('HSET', KEYS[1], 'base', ARGV[7]) end
end
local function grow(field, sum)
  if tonumber(redis.call('HGET', KEYS[1], field) or '-1') < tonumber(sum) then redis.call('HSET', KEYS[1], field, sum) end
end

if before ~= '' then redis.call('HDEL', KEYS[1], taken .. before, back .. before, taken .. session, back .. session) end
grow(taken .. session, ARGV[5])
for at = 9, #ARGV, 2 do grow('s:' .. ARGV[at], ARGV[at + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
