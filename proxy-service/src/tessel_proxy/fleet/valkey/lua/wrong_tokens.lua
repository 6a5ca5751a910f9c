-- ARGV: source, wrong tokens to add, allowance, ms in which a used-up allowance is refilled
-- Returns the level now.
local key, now, more = 'tessel:wrong:' .. ARGV[1], now_ms(), tonumber(ARGV[2])
local before, at = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
local refilled = math.max(0, now - (tonumber(at) or now)) * tonumber(ARGV[3]) / tonumber(ARGV[4])
local level = math.max(0, (tonumber(before) or 0) - refilled) + more
if more > 0 then
  -- the level is 0 after this time
  local lives = math.ceil(level * tonumber(ARGV[4]) / tonumber(ARGV[3]))
  redis.call('SET', key, string.format('%.6f %.0f', level, now), 'PX', int(math.max(1, lives)))
end
return string.format('%.6f', level)
