-- ARGV: id of a notice, names of members that were seen before the engine lost its data
-- Returns the epoch and its age in ms; then a line for each of these and of the living members: 1 if it
-- has acted, else 0; its name.
local lines, named = {}, {}
local function add(name)
  if named[name] then return end
  named[name] = true
  lines[#lines + 1] = redis.call('SISMEMBER', 'tessel:confirmed:' .. ARGV[1], name) .. ' ' .. name
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', MEMBERS, '(' .. int(now_ms()), '+inf')) do add(name) end
for i = 2, #ARGV do add(ARGV[i]) end
local began_s, began_us = string.match(epoch(), '^(%d+)%.(%d+)$')
local age_ms = now_ms() - tonumber(began_s) * 1000 - tonumber(began_us) / 1000
return table.concat({epoch() .. ' ' .. int(age_ms), unpack(lines)}, '\n')
