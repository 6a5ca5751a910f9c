-- ARGV: names of streams. Returns the epoch, the time in ms, and the id of each stream's last entry.
local lines = {epoch(), int(now_ms())}
for i = 1, #ARGV do
  local last = redis.call('XREVRANGE', ARGV[i], '+', '-', 'COUNT', 1)[1]
  lines[#lines + 1] = last and last[1] or '0-0'
end
return table.concat(lines, '\n')
