import { logLaws } from "@heddle/testkit/laws"
import { LogStore } from "heddle/messaging"

logLaws("memory", LogStore.layerMemory)
