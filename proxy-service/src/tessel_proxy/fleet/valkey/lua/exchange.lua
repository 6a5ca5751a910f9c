-- ARGV: member, ms to live, budget of the sweep, notices kept, seconds they are kept, devices kept,
--       number of accounts, for each account its name and demand; then account, device and notice
--       DeviceMoved of each device that has arrived
-- Returns a line with the totals for each account.
local now, member, count, lines = now_ms(), ARGV[1], tonumber(ARGV[7]), {}
touch(member, now, tonumber(ARGV[2]))
sweep(now, tonumber(ARGV[3]))
for i = 8, 7 + 2 * count, 2 do
  lines[#lines + 1] = table.concat(put(member, ARGV[i], ARGV[i + 1]), ' ')
end
for i = 8 + 2 * count, #ARGV, 3 do
  arrive(member, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[4], ARGV[5], tonumber(ARGV[6]))
end
if #ARGV > 7 + 2 * count then  -- a device that moved took its place along
  for i = 1, count do
    lines[i] = table.concat(totals(ARGV[6 + 2 * i], member), ' ')
  end
end
return table.concat(lines, '\n')
