-- ARGV: member, ms to live, account, device ('' if it has no name), own tunnels, limit, budget of the
--       sweep, notice DeviceMoved, notices kept, seconds they are kept, devices kept, the epoch whose
--       counts are complete ('': any); then the names of devices that have left
-- Returns 1 if the tunnel may open, else 0; the epoch; then the totals. Returns 2 if counts that are not
-- complete would allow it: the caller decides, so the tunnel is not counted, and no device moves.
local now, member, account, device = now_ms(), ARGV[1], ARGV[3], ARGV[4]
touch(member, now, tonumber(ARGV[2]))
sweep(now, tonumber(ARGV[7]))
depart(member, account, {unpack(ARGV, 13)})
local own, limit = tonumber(ARGV[5]), tonumber(ARGV[6])
local values = put_tunnels(member, account, own)
local older = device ~= '' and older_holder(member, account, device)
local granted = tonumber(values[1]) - (older and 1 or 0) < limit
local complete = ARGV[12] == '' or ARGV[12] == epoch()
if granted and complete then
  put_tunnels(member, account, own + 1)
  if device ~= '' then
    arrive(member, account, device, ARGV[8], ARGV[9], ARGV[10], tonumber(ARGV[11]))
  end
  values = totals(account, member)
end
local answer = not granted and '0 ' or complete and '1 ' or '2 '
return answer .. epoch() .. ' ' .. table.concat(values, ' ')
