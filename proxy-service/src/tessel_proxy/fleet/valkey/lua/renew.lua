-- ARGV: member, ms to live, the version of the list of members that the caller has, budget of the sweep
-- Returns epoch and version; then the names, if the version is another one.
local now = now_ms()
touch(ARGV[1], now, tonumber(ARGV[2]))
local due = int(now + tonumber(ARGV[2]))
redis.call('ZADD', MEMBERS, due, ARGV[1])
-- Nobody may live longer than a member that renews now, unless the server's clock was set back.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', MEMBERS, '(' .. due, '+inf', 'LIMIT', 0, 1000)) do
  redis.call('ZADD', MEMBERS, due, name)
end
sweep(now, tonumber(ARGV[4]))
return members_since(ARGV[3])
