-- ARGV: account, host, day that the host knows ('' if none), bytes that the host has taken of it, ms
--       that are left of it, bytes wanted, limit, ms of a day
-- The host sends its own total: a lost answer is corrected, a lost day comes back with the next call.
-- Returns the bytes granted, the host's own total after that, ms until the day ends, the day, and the epoch.
local key, field = 'tessel:day:' .. ARGV[1], 'h' .. ARGV[2]
local known, own, left = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local ttl = redis.call('PTTL', key)
local day, sum, before = unpack(redis.call('HMGET', key, 'day', 'sum', field))
if ttl < 0 or not day then  -- the day begins, or the engine has lost it
  redis.call('DEL', key)
  before, sum = false, 0
  if known ~= '' and left > 0 then
    day, ttl = known, left
  else
    day, ttl, own = int(now_ms()), tonumber(ARGV[8]), 0
  end
elseif day ~= known then
  -- The engine had lost a day, and another host has begun one: they are joined, and end with the first.
  -- A day that ends within a second may be over here already.
  if known == '' or left <= 1000 then
    own = 0
  elseif tonumber(known) < tonumber(day) then
    day, ttl = known, math.min(ttl, left)
  end
end
sum, before = tonumber(sum), tonumber(before or '0')
local others = math.max(0, sum - before)
local granted = math.max(0, math.min(tonumber(ARGV[6]), tonumber(ARGV[7]) - others - own))
redis.call('HSET', key, 'day', day, 'sum', int(others + own + granted), field, int(own + granted))
redis.call('PEXPIRE', key, int(ttl))
return table.concat({int(granted), int(own + granted), int(ttl), day, epoch()}, ' ')
