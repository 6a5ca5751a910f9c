-- ARGV: id of a notice. Returns a line for each living member: 1 if it has acted, else 0; its name.
local lines = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', MEMBERS, '(' .. int(now_ms()), '+inf')) do
  lines[#lines + 1] = redis.call('SISMEMBER', 'tessel:confirmed:' .. ARGV[1], name) .. ' ' .. name
end
return table.concat(lines, '\n')
