import { renderMermaidSVG } from "beautiful-mermaid"
import { globSync, readFileSync } from "node:fs"
import { basename } from "node:path"
import { type DefaultTheme, defineConfig } from "vitepress"
import { rows } from "../../scripts/patternTable.ts"

const repository = new URL("../..", import.meta.url).pathname

/** A drawing becomes SVG when the site is built: no script, no font from elsewhere, the theme's own colours. */
const drawing = (code: string): string => {
  const svg = renderMermaidSVG(code, {
    bg: "var(--vp-c-bg)",
    fg: "var(--vp-c-text-1)",
    muted: "var(--vp-c-text-2)",
    accent: "var(--vp-c-brand-1)",
    transparent: true,
    font: "inherit"
  }).replace(/@import url\([^)]*\);?/g, "").replace(/'inherit'/g, "inherit")
  return `<Drawing svg="${encodeURIComponent(svg)}" />`
}

const icon =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M3 2v12M8 2v12M13 2v12" stroke="#2f8f6f" `
  + `stroke-width="2"/><path d="M1 10l14-4" stroke="#d9a441" stroke-width="2"/></svg>`

const titleOf = (file: string): string => /^# (.+)$/m.exec(readFileSync(file, "utf8"))?.[1] ?? basename(file, ".md")

const pages = (pattern: string): Array<DefaultTheme.SidebarItem> =>
  globSync(pattern, { cwd: repository }).filter((file) => !file.endsWith("index.md")).sort().map((file) => ({
    text: titleOf(`${repository}/${file}`),
    link: `/${file.replace(/^docs\//, "").replace(/\.md$/, "")}`
  }))

const patternsOf = (area: string): Array<DefaultTheme.SidebarItem> =>
  rows(repository).filter((row) => row.area === area).map(({ page, pattern }) => ({
    text: pattern,
    link: `/patterns/${page}`
  }))

const areas = ["coordination", "messaging", "flow", "resilience", "lifecycle", "observability"]
const areaItems = areas.map((area) => ({
  text: area.replace(/^./, (letter) => letter.toUpperCase()),
  collapsed: false,
  items: patternsOf(area)
}))

/** Tables that need the room of the outline. */
const wide = new Set(["origins.md"])

export default defineConfig({
  title: "Heddle",
  description: "Typed patterns for concurrency and coordination in Effect apps, proven on real servers",
  cleanUrls: true,
  head: [["link", { rel: "icon", href: `data:image/svg+xml,${encodeURIComponent(icon)}` }]],
  lastUpdated: false,
  transformPageData: ({ frontmatter, relativePath }) =>
    wide.has(relativePath) ? { frontmatter: { ...frontmatter, aside: false, pageClass: "wide" } } : undefined,
  srcExclude: ["test/**"],
  // The sources of the examples, the decisions and the licence are not part of the site.
  ignoreDeadLinks: [/^(\.\.?\/)+(examples|packages|bench|decisions|CONTRIBUTING|README)/],
  markdown: {
    theme: { light: "github-light", dark: "github-dark" },
    config(md) {
      const fence = md.renderer.rules.fence
      md.renderer.rules.fence = (tokens, index, options, env, self) => {
        const token = tokens[index]
        if (token?.info.trim() === "mermaid") return drawing(token.content)
        const html = fence === undefined ? "" : fence(tokens, index, options, env, self)
        if (token?.info.trim() !== "text") return html
        // A drawing of lanes is of use where it is seen whole: the style makes its letters fit.
        const columns = Math.max(...token.content.split("\n").map((line) => line.length))
        return html.replace("<div ", `<div style="--columns: ${columns}" `)
      }
    }
  },
  vite: {
    resolve: {
      conditions: ["@heddle/source", "module", "browser", "development|production"],
      dedupe: ["effect"]
    },
    ssr: {
      resolve: { conditions: ["@heddle/source", "module", "node", "development|production"] },
      noExternal: [/^heddle/, /^@heddle\//]
    },
    build: { chunkSizeWarningLimit: 2000 }
  },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Start", link: "/start" },
      { text: "Choose", link: "/choose" },
      { text: "Patterns", link: "/patterns/distributed-lock" },
      { text: "API", link: "/api/" }
    ],
    sidebar: [
      {
        text: "First",
        items: [
          { text: "Start", link: "/start" },
          { text: "Why Heddle", link: "/why" },
          { text: "How to choose", link: "/choose" },
          { text: "See it move", link: "/live" }
        ]
      },
      { text: "Patterns", items: areaItems.filter(({ items }) => items.length > 0) },
      { text: "Stores", collapsed: true, items: pages("docs/stores/*.md") },
      { text: "Backends", collapsed: true, items: pages("docs/backends/*.md") },
      {
        text: "Guides",
        collapsed: true,
        items: [
          { text: "Testing", link: "/testing" },
          { text: "gRPC", link: "/patterns/grpc" },
          ...pages("docs/guides/*.md")
        ]
      },
      {
        text: "Reference",
        collapsed: true,
        items: [
          { text: "Performance", link: "/performance" },
          { text: "What is stable", link: "/stability" },
          { text: "Glossary", link: "/glossary" },
          { text: "The originals", link: "/origins" },
          { text: "API", link: "/api/" },
          { text: "Decisions", link: "/decisions/" }
        ]
      }
    ]
  }
})
