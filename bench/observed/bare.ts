/**
 * Lets a program import copies of Heddle, and of one takes out what it has for being observed. What is left is what a library without it
 * would do.
 */
import { registerHooks } from "node:module"
import { bare, cuts } from "./cuts.ts"

const source = new RegExp("/packages/heddle/src/([^?]*)[?]without$")

/** A copy of Heddle is imported as `scenes.ts?off`: what that imports of Heddle has the same query, and so is a copy too. */
registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context)
    const copy = /[?]\w+$/.exec(context.parentURL ?? "")?.[0]
    return copy === undefined || !resolved.url.includes("/packages/heddle/src/")
      ? resolved
      : { ...resolved, url: resolved.url + copy }
  },
  load: (url, context, next) => {
    const loaded = next(url, context)
    const file = source.exec(url)?.[1] ?? ""
    if (cuts[file] === undefined || loaded.source === undefined || loaded.source === null) return loaded
    const before = typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source)
    return { ...loaded, source: bare(file, before) }
  }
})
