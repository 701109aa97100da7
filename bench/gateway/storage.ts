import { open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { median } from "../lib/statistics.ts";

const SYNCS = 20;
/** From linux/magic.h. */
const NAMES: Readonly<Record<number, string>> = {
	0x01021994: "tmpfs (memory: a commit costs no fsync there)",
	0xef53: "ext4",
	0x58465342: "XFS",
	0x9123683e: "Btrfs",
	0x794c7630: "overlayfs",
	0x2fc12fc1: "ZFS",
};

/** What a directory's file system is, and what a commit costs there: a sentence for the reader. */
export async function storageText(directory: string): Promise<string> {
	const { type } = await statfs(directory);
	const name = NAMES[type] ?? "a disk";
	const file = join(directory, "fsync");
	const handle = await open(file, "w");
	const milliseconds: number[] = [];
	try {
		for (let i = 0; i < SYNCS; i++) {
			await handle.write(Buffer.alloc(4_096));
			const from = performance.now();
			await handle.sync();
			milliseconds.push(performance.now() - from);
		}
	} finally {
		await handle.close();
		await rm(file, { force: true });
	}
	return `Isobar's state was on ${name}; writing 4 KB with fsync took ${median(milliseconds).toFixed(1)} ms there (median of ${SYNCS}).`;
}
