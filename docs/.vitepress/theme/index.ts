import type { Theme } from "vitepress"
import DefaultTheme from "vitepress/theme"
import { defineAsyncComponent, h } from "vue"
import Drawing from "./Drawing.vue"
import Loom from "./Loom.vue"
import PatternTable from "./PatternTable.vue"
import "./style.css"

const theme: Theme = {
  extends: DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { "home-hero-image": () => h(Loom) }),
  enhanceApp({ app }) {
    app.component("Drawing", Drawing)
    app.component("PatternTable", PatternTable)
    app.component("LockDemo", defineAsyncComponent(() => import("./LockDemo.vue")))
    app.component("BreakerDemo", defineAsyncComponent(() => import("./BreakerDemo.vue")))
    app.component("PoolDemo", defineAsyncComponent(() => import("./PoolDemo.vue")))
    app.component("ExploreDemo", defineAsyncComponent(() => import("./ExploreDemo.vue")))
  }
}

export default theme
