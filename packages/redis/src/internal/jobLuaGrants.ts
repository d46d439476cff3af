/** A grant with more bytes than this is not told whole: who waits asks for it. */
const most = 4096

/** How plain jobs go to claims that wait: made when there is one, as `jobLuaOthers` is. */
export const jobLuaGrants = `
function grants()
-- A channel carries text.
local function texted(bytes)
  return (string.gsub(bytes, "[\\128-\\255]", function(byte)
    local code = string.byte(byte)
    if code < 192 then return "\\194" .. byte end
    return "\\195" .. string.char(code - 64)
  end))
end

-- What was claimed for who waits and has not ended: its token, and the ids in their order with where they stand. Nothing where there is none.
function grantOf(waiter)
  local all = redis.call("HGETALL", BATCHES)
  for i = 1, #all, 2 do
    local who = cmsgpack.unpack(all[i + 1])[1]
    if type(who) == "table" and who[2] == waiter then
      local token, line = tonumber(all[i]), {}
      for id in pairs(batchOf(token).ids) do
        local body = redis.call("HGET", JOBS, id)
        line[#line + 1] = { string.sub(body, 2, 17), id, body }
      end
      for j = 3, #who do
        local job = load(who[j])
        if job and job[STATE] == "claimed" and job[TOKEN] == token then line[#line + 1] = { job[SEQ], who[j], job } end
      end
      table.sort(line, function(one, other) return one[1] < other[1] end)
      return token, line
    end
  end
end

-- That as the answer to a claim, and claimed anew for as long.
function grantTo(waiter, ttl)
  local token, line = grantOf(waiter)
  if not token or #line == 0 then return end
  local found = {}
  for _, one in ipairs(line) do
    local seq, id, job = one[1], one[2], one[3]
    if type(job) == "table" then
      found[#found + 1] = { id, token, job[ATTEMPTS], job[MOST], job[KEY], redis.call("HGET", PAYLOADS, id), job[HEADERS], now - job[ENQUEUED] }
      schedule(CLAIMED, now + ttl, seq .. id)
    else
      found[#found + 1] = seq .. id
      found[#found + 1] = job
    end
  end
  schedule(CLAIMED, now + ttl, "b" .. number(token))
  return { -1, found, token, now }
end

-- Whoever waits longest is first. Where others than plain jobs wait too, all are told instead.
function offer()
  if redis.call("ZCARD", READY) > 0 then return end
  while redis.call("LLEN", PLAIN) > 0 do
    local first = redis.call("ZPOPMIN", WAITING)
    if #first == 0 then return end
    local waiter, max, ttl, owner = unpack(cmsgpack.unpack(first[1]))
    local channel = start .. ":to:" .. string.match(waiter, "^%w+")
    if tonumber(first[2]) > now and redis.call("PUBSUB", counts, channel)[2] > 0 then
      local taken = take(max, ttl, owner, { owner, waiter })
      if not taken then return redis.call("ZADD", WAITING, first[2], first[1]) end
      local packed = cmsgpack.pack(taken)
      redis.call(publish, channel, waiter .. "\\n" .. (#packed <= ${most} and texted(packed) or ""))
    end
  end
end
end
`
