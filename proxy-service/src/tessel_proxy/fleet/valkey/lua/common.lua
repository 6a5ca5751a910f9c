-- Functions that all scripts share; scripts.py puts them before each script.
-- docs/fleet-engine.md describes the keys. Numbers become text with int(): Lua writes 1e15 for large ones.

local MEMBERS, FLEET = 'tessel:members', 'tessel:fleet'
local FIELDS = {'t', 's', 'o', 'a', 'b', 'h'}  -- tunnels, substreams, opens, to targets, to devices, holders

local function int(number)
  return string.format('%.0f', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The epoch shows proxies that the engine has lost its data: it is made when there is none. Those that
-- read notices hear of a new one at once.
local function epoch()
  local found = redis.call('HGET', FLEET, 'epoch')
  if not found then
    local time = redis.call('TIME')
    found = time[1] .. '.' .. time[2]
    redis.call('HSET', FLEET, 'epoch', found)
    redis.call('XADD', 'tessel:notices', '*', 'epoch', found)
    redis.call('EXPIRE', 'tessel:notices', 3600)
  end
  return found
end

local function members_changed()
  redis.call('HINCRBY', FLEET, 'version', 1)
end

-- Epoch and version of the list of members; then the names, if the version is another one.
local function members_since(known)
  local version = epoch() .. ':' .. (redis.call('HGET', FLEET, 'version') or '0')
  local lines = {epoch() .. ' ' .. version}
  if version ~= known then
    for _, name in ipairs(redis.call('ZRANGE', MEMBERS, 0, -1)) do lines[#lines + 1] = name end
  end
  return table.concat(lines, '\n')
end

local function touch(member, now, lives)
  local due = redis.call('ZSCORE', MEMBERS, member)
  if not due then members_changed() end
  -- a third of its life may pass between two writes
  if not due or tonumber(due) < now + lives * 2 / 3 then
    redis.call('ZADD', MEMBERS, int(now + lives), member)
  end
end

-- The five numbers of a record; false, no record, is five zeros.
local function numbers(text)
  local t, s, o, a, b = string.match(text or '', '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
  if not t then return {0, 0, 0, 0, 0} end
  return {tonumber(t), tonumber(s), tonumber(o), tonumber(a), tonumber(b)}
end

local function packed(five)
  for i = 1, 5 do five[i] = int(math.max(0, five[i])) end
  return table.concat(five, ' ', 1, 5)
end

-- The account's totals, as text; `own` is the member's record, or false.
local function totals(account, member)
  local values = redis.call('HMGET', 'tessel:account:' .. account, 'm' .. member, unpack(FIELDS))
  local own = table.remove(values, 1)
  for i = 1, 6 do values[i] = values[i] or '0' end
  return values, own
end

-- Replace the member's record of an account by the text `new`, and return the totals after that.
local function put(member, account, new)
  local values, own = totals(account, member)
  if own == new then return values end
  local key, before, after = 'tessel:account:' .. account, numbers(own), numbers(new)
  local holds = after[1] > 0 or after[2] > 0
  if not own and not holds then return values end
  if not holds then after = {0, 0, 0, 0, 0} end
  for i = 1, 5 do
    if after[i] ~= before[i] then
      values[i] = int(math.max(0, tonumber(values[i]) + after[i] - before[i]))
    end
  end
  if holds ~= (own and true) then
    values[6] = int(math.max(0, tonumber(values[6]) + (holds and 1 or -1)))
  end
  if values[6] == '0' then
    redis.call('DEL', key, 'tessel:devices:' .. account)
  else
    redis.call('HSET', key, 't', values[1], 's', values[2], 'o', values[3], 'a', values[4],
               'b', values[5], 'h', values[6], 'm' .. member, new)
    if not holds then redis.call('HDEL', key, 'm' .. member) end
  end
  if not holds then
    redis.call('SREM', 'tessel:holds:' .. member, account)
  elseif not own then
    redis.call('SADD', 'tessel:holds:' .. member, account)
  end
  return values
end

-- The same demand with other tunnels.
local function put_tunnels(member, account, tunnels)
  local _, own = totals(account, member)
  local five = numbers(own)
  five[1] = tunnels
  return put(member, account, packed(five))
end

-- Remove the counts of dead members, at most `budget` accounts; returns whether some are left.
local function sweep(now, budget)
  while true do
    local dead = redis.call('ZRANGEBYSCORE', MEMBERS, '-inf', int(now), 'LIMIT', 0, 1)[1]
    if not dead then return false end
    if budget <= 0 then return true end
    local accounts = redis.call('SPOP', 'tessel:holds:' .. dead, budget)
    for _, account in ipairs(accounts) do put(dead, account, '0 0 0 0 0') end
    budget = budget - 1 - #accounts
    if redis.call('EXISTS', 'tessel:holds:' .. dead) == 0 then
      redis.call('ZREM', MEMBERS, dead)
      members_changed()
    end
  end
end

-- Keep a notice in a stream, and with that wake those who read it.
local function notify(stream, notice, kept, kept_s, id)
  redis.call('XADD', stream, 'MAXLEN', '~', kept, '*', 'notice', notice, 'id', id or '')
  redis.call('EXPIRE', stream, kept_s)
end

-- Keep a question or a piece of an answer for SAID_MS: nobody reads it later. The stream itself stays
-- for an hour: the ids in a new one could be lower, if the clock was set back.
local SAID_MS = 5000

local function say(stream, ...)
  redis.call('XADD', stream, 'MINID', '~', int(now_ms() - SAID_MS), '*', ...)
  redis.call('EXPIRE', stream, 3600)
end

-- The member that has the device now, if it is another one with tunnels of the account.
local function older_holder(member, account, device)
  local older = redis.call('HGET', 'tessel:devices:' .. account, device)
  if not older or older == member then return nil end
  local _, record = totals(account, older)
  if numbers(record)[1] == 0 then return nil end
  return older
end

-- The device has its newest tunnel on `member`: another member cuts its own, which no longer counts.
-- Names of devices come from devices: some entry is dropped if there are far more than tunnels.
local function arrive(member, account, device, moved, kept, kept_s, most)
  local key, older = 'tessel:devices:' .. account, older_holder(member, account, device)
  if older then
    local _, record = totals(account, older)
    put_tunnels(older, account, numbers(record)[1] - 1)
    notify('tessel:inbox:' .. older, moved, kept, kept_s)
  end
  if redis.call('EXISTS', 'tessel:account:' .. account) == 0 then return end  -- ended meanwhile
  if redis.call('HSET', key, device, member) == 1 then
    local open = tonumber(redis.call('HGET', 'tessel:account:' .. account, 't') or '0')
    if redis.call('HLEN', key) > math.max(most, 4 * open) then
      redis.call('HDEL', key, redis.call('HRANDFIELD', key))
    end
  end
end

-- These devices have left the member: they take no place along when they arrive at another one.
local function depart(member, account, names)
  if #names == 0 then return end
  local key, gone = 'tessel:devices:' .. account, {}
  for i, holder in ipairs(redis.call('HMGET', key, unpack(names))) do
    if holder == member then gone[#gone + 1] = names[i] end
  end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
end

-- The operator's rules: JSON by id, and when they end.
local RULES, RULES_END = 'tessel:rules', 'tessel:rules:end'

local function rules_changed()
  redis.call('HINCRBY', FLEET, 'rules', 1)
end

-- Remove the rules that have ended.
local function end_rules()
  local over = redis.call('ZRANGEBYSCORE', RULES_END, '-inf', int(now_ms()), 'LIMIT', 0, 1000)
  if #over == 0 then return end
  redis.call('HDEL', RULES, unpack(over))
  redis.call('ZREM', RULES_END, unpack(over))
  rules_changed()
end

-- Set a rule; `ends` is ms since 1970, 0: it has no end.
local function set_rule(id, text, ends)
  redis.call('HSET', RULES, id, text)
  if tonumber(ends) > 0 then
    redis.call('ZADD', RULES_END, ends, id)
  else
    redis.call('ZREM', RULES_END, id)
  end
end
