import { jobProcessLaws } from "@heddle/testkit/laws"
import { subject } from "./jobSubject.ts"

jobProcessLaws(subject)
