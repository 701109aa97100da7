/** What only Node has: keys and updates in files, a progress bar. */
export { FileStore } from "./file-store.ts";
export { terminalProgress } from "./terminal-progress.ts";
