import { type Browser, chromium, type Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { serve, type Site } from "./Site.ts"

describe("the docs site", () => {
  let site: Site
  let browser: Browser
  let page: Page
  const wrong: Array<string> = []

  beforeAll(async () => {
    site = await serve()
    const { env, path } = site.chromium
    browser = await chromium.launch({
      executablePath: path,
      env: { ...process.env, ...env },
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run"]
    })
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    page.on("pageerror", (error) => wrong.push(error.message))
    page.on("console", (message) => message.type() === "error" && wrong.push(message.text()))
    page.on("request", (request) => {
      const url = request.url()
      if (!url.startsWith(site.url) && !url.startsWith("data:")) wrong.push(`asks ${url}`)
    })
  })
  afterAll(async () => {
    await browser.close()
    await site.close()
  })

  const open = (path: string) => page.goto(`${site.url}${path}`, { waitUntil: "load" })
  const text = (selector: string) => page.locator(selector).first().textContent()
  const count = (selector: string) => page.locator(selector).count()
  const shot = (name: string) => page.screenshot({ path: `.cache/shots/${name}.png` })

  test("a lock is passed on in the page, and a holder that keeps it makes the others wait", async () => {
    await open("/live")
    await expect.poll(() => count("#lock-demo .cells i.holds"), { timeout: 60_000 }).toBeGreaterThan(5)
    await page.locator("#lock-demo button", { hasText: "keep it" }).first().click()
    await expect.poll(() => count("#lock-demo .cells i.keeps"), { timeout: 60_000 }).toBeGreaterThan(3)
    await shot("live-lock")
    await page.locator("#lock-demo button", { hasText: "go on" }).click()
    await expect.poll(() => page.locator("#lock-demo .cells i.keeps:last-child").count()).toBe(0)
  })

  test("a circuit opens when the server is broken, and closes when it is mended", async () => {
    await page.locator("#breaker-demo button").click()
    await expect.poll(() => text("#breaker-demo output"), { timeout: 60_000 }).toBe("open")
    await shot("live-breaker")
    await page.locator("#breaker-demo button").click()
    await expect.poll(() => text("#breaker-demo output"), { timeout: 60_000 }).toBe("closed")
  })

  test("a pool grows with the load", async () => {
    await page.locator("#pool-demo input").fill("60")
    await expect.poll(async () => Number(await text("#pool-demo output")), { timeout: 60_000 }).toBeGreaterThan(8)
    await shot("live-pool")
  })

  test("a race is found in the page, and stepped through", async () => {
    await expect.poll(() => text("#explore-demo p"), { timeout: 60_000 }).toContain("sold twice")
    await page.locator("#explore-demo button", { hasText: "next" }).click()
    await expect.poll(() => count("#explore-demo li.past")).toBe(1)
    await shot("live-race")
  })

  test("the table of patterns has a mark for each backend", async () => {
    await open("/choose")
    const row = page.locator("tr", { hasText: "DistributedLock" }).last()
    expect(await row.textContent()).toMatch(/✓.*✓.*✓.*✓/)
    await shot("choose")
  })

  test("a page is found by its words", async () => {
    await page.keyboard.press("Control+k")
    await page.locator("#localsearch-input").fill("fencing")
    await expect.poll(() => count(".VPLocalSearchBox .result"), { timeout: 60_000 }).toBeGreaterThan(1)
    await page.keyboard.press("Escape")
  })

  test("every page of the menu opens, also on a phone and in the dark, and none asks another host or reports an error", async () => {
    await open("/start")
    const links = await page.locator(".VPSidebar a").evaluateAll((all) =>
      all.map((link) => link.getAttribute("href") ?? "")
    )
    expect(links.length).toBeGreaterThan(40)
    await page.emulateMedia({ colorScheme: "dark" })
    await page.setViewportSize({ width: 390, height: 844 })
    for (const link of links) {
      await open(link)
      await page.locator("h1").first().waitFor()
      expect(await text("h1")).not.toContain("404")
      const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
      expect([link, wide]).toEqual([link, 0])
    }
    await shot("phone-dark")
    expect(wrong).toEqual([])
  })
})
