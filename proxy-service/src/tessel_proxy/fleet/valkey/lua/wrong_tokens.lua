-- ARGV: source, wrong tokens to add, allowance, ms in which a used-up allowance is refilled
-- Returns the level now.
local key, now, more = 'tessel:wrong:' .. ARGV[1], now_ms(), tonumber(ARGV[2])
local before = numbers(redis.call('GET', key))
local refilled = math.max(0, now - before[2]) * tonumber(ARGV[3]) / tonumber(ARGV[4])
local level = math.max(0, before[1] - refilled) + more
if more > 0 then
  -- the level is 0 after this time
  local lives = math.ceil(level * tonumber(ARGV[4]) / tonumber(ARGV[3]))
  redis.call('SET', key, string.format('%.6f %.0f', level, now), 'PX', int(math.max(1, lives)))
end
return string.format('%.6f', level)
