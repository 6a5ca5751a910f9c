-- ARGV: member, ms to live, the version of the list of members that the caller has, budget of the sweep
-- Returns epoch and version; then the names, if the version is another one.
local now = now_ms()
touch(ARGV[1], now, tonumber(ARGV[2]))
redis.call('ZADD', MEMBERS, int(now + tonumber(ARGV[2])), ARGV[1])
sweep(now, tonumber(ARGV[4]))
local version = epoch() .. ':' .. (redis.call('HGET', FLEET, 'version') or '0')
local lines = {epoch() .. ' ' .. version}
if version ~= ARGV[3] then
  for _, name in ipairs(redis.call('ZRANGE', MEMBERS, 0, -1)) do lines[#lines + 1] = name end
end
return table.concat(lines, '\n')
