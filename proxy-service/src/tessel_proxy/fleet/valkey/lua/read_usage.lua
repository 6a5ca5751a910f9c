-- ARGV: day, account behind which to begin, accounts at most, the only account or ''
-- Returns two lines for each account, in order: its name, and its five numbers.
local key, names = 'tessel:usage:' .. ARGV[1], {}
if ARGV[4] ~= '' then
  if ARGV[4] > ARGV[2] and redis.call('HEXISTS', key, ARGV[4]) == 1 then names = {ARGV[4]} end
else
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if name > ARGV[2] then names[#names + 1] = name end
  end
  table.sort(names)
end
local lines = {}
for i = 1, math.min(#names, tonumber(ARGV[3])) do
  lines[#lines + 1] = names[i]
  lines[#lines + 1] = packed(numbers(redis.call('HGET', key, names[i])))
end
return table.concat(lines, '\n')
