/**
 * The part of the lease script for a mutex in its usual course: taken and given back while free, waited for while held, and
 * handed to the next in line. Straight lines in the loop over the operations, because they are run for each hand-over; they
 * break off without a reply at all that is not usual, before they change anything that counts, and the rest of the script does it.
 *
 * A mutex that is held, and remembers no withdrawn ids, has a blob of its own: a byte, the holder's id, a zero, and packed
 * values. Byte 193: nobody has stood in its line, and its token is in the past, so that it can be deleted unread, unless the
 * id must be remembered in case its lease has ended. Byte 194: it may have a line, kept up to `kept`, and the holder has
 * `tokens` of them.
 */
export const leaseLuaMutex = `
if code == 6 then
  local ttl, holder, token, owner, value, since, till, tokens, kept = args[at + 2]
  if passed and passed[1] == key then
    holder, owner, value, till, tokens, kept = unpack(passed, 2)
    token, since = micros, now
  else
    if ttl ~= tailTtl then tail, tailTtl = mpack(micros, default, "", now, now + ttl), ttl end
    if call("SET", key, "\\193" .. id .. "\\0" .. tail, "NX", "PX", ttl + 1) then
      fresh = fresh or {}
      fresh[key] = true
      if listened then changed[key] = true end
      reply = "G" .. stamp
      break
    end
    local raw = try("GET", key)
    local kind = type(raw) == "string" and byte(raw)
    if kind ~= 193 and kind ~= 194 then break end
    local cut = find(raw, "\\0", 2, true)
    holder = sub(raw, 2, cut - 1)
    token, owner, value, since, till, tokens, kept = munpack(sub(raw, cut + 1))
  end
  if args[at + 4] == 1 or till <= now or holder == id then break end
  if args[at + 3] == 0 then
    reply = "B"
    break
  end
  local q, w, last = key .. ":q", key .. ":w", now + patience
  local longer = not kept or kept < last
  if longer then
    -- What a line left behind whose resource was deleted by hand.
    if not kept then call("DEL", q, w) end
    kept = last + patience
    local blob = mpack(token, owner, value, since, till, tokens or 1, kept)
    call("SET", key, "\\194" .. holder .. "\\0" .. blob, "PX", ceil((till > kept and till or kept) - now) + 1)
    if passed and passed[1] == key then passed[7] = kept end
  end
  local length = try("RPUSH", q, id)
  if length == 1 then
    call("DEL", w)
    longer = true
  end
  if type(length) == "table" or type(try("HSET", w, id, mpack(default, "", 1, session, now, last, 1, ttl, patience))) == "table" then
    break
  end
  if longer then
    local left = ceil(kept - now) + 1
    call("PEXPIRE", q, left)
    call("PEXPIRE", w, left)
  end
  if listened then changed[key] = true end
  local floor = token + (tokens or 1)
  reply = "Q" .. format("%.3f", till - now) .. " " .. (floor > micros and format("%.0f", floor) or stamp)
elseif code == 3 or code == 2 then
  if passed and passed[1] == key then passed = nil end
  local raw = try("GET", key)
  local from = #id + 2
  if type(raw) ~= "string" or sub(raw, 2, from) ~= id .. "\\0" then break end
  local kind = byte(raw)
  if code == 3 and kind == 193 and args[at + 2] == 0 and not (fresh and fresh[key]) then
    call("DEL", key)
    if listened then changed[key] = true end
    reply = "D"
    break
  elseif kind ~= 193 and kind ~= 194 then
    break
  end
  local token, owner, value, since, till, tokens, kept = munpack(sub(raw, from + 1))
  if till <= now then break end
  if code == 2 then
    till = now + args[at + 2]
    local blob = mpack(token, owner, value, since, till, tokens, kept)
    call("SET", key, sub(raw, 1, from) .. blob, "PX", ceil((kept and kept > till and kept or till) - now) + 1)
    reply = "D"
    break
  end
  if kind == 193 or token + tokens > micros then break end
  local q, w = key .. ":q", key .. ":w"
  while true do
    local next = try("LPOP", q)
    if not next then
      call("DEL", key)
      reply = "D"
      break
    end
    local record = type(next) == "string" and try("HGET", w, next)
    if type(record) == "table" or type(next) == "table" then break end
    if record then
      call("HDEL", w, next)
      local owner, value, _, to, _, alive, tokens, ttl, patience = munpack(record)
      if alive > now then
        if patience < ttl then ttl = patience end
        local till = now + ttl
        local blob = mpack(micros, owner, value, now, till, tokens, kept)
        call("SET", key, "\\194" .. next .. "\\0" .. blob, "PX", ceil((till > kept and till or kept) - now) + 1)
        passed = { key, next, owner, value, till, tokens, kept }
        local grant = next .. " " .. stamp .. " " .. format("%.3f", ttl)
        if to == session then
          mine = (mine and mine .. "\\nP" or "P") .. grant
        else
          others = others or {}
          others[to] = (others[to] and others[to] .. "\\n" or "") .. grant
        end
        reply = "D"
        break
      end
    end
  end
  if listened and reply then changed[key] = true end
end
`
