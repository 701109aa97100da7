import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { bundleWorker, PROJECT, type Bundle } from "./bundle.ts";
import type { Miniflare } from "miniflare";
import { applyMigrations, migrationsWorker } from "./migrations.ts";
import { runWorkers, type LogLine } from "./workerd.ts";

const ASSETS = join(PROJECT, "assets");

export interface LocalOptions {
	/** 0, the default: a free one. */
	readonly port?: number;
	readonly host?: string;
	/** Directory of the state, kept over restarts. Absent: in memory. */
	readonly persist?: string;
	/** Worker secrets: `ADMIN_TOKEN`, credentials of pools. */
	readonly secrets?: Readonly<Record<string, string>>;
	/** Overrides of single settings of `src/shared/settings.ts`. */
	readonly settings?: Readonly<Record<string, unknown>>;
	/** Directory of the static assets. Default: the project's. */
	readonly assets?: string;
	/** How many more isolates run the same script, bound to the same Durable Objects and D1, each at its own URL: what several
	 *  of Cloudflare's machines are to one ledger. Default: none. */
	readonly edges?: number;
	readonly onLog?: LogLine;
	/** Where the inspector of V8 listens; 0 for a free port. Absent: nowhere. */
	readonly inspectorPort?: number;
	/** Keeps the terminal's Ctrl-C from workerd, which would end it before this process can let requests end. Default: false. */
	readonly detached?: boolean;
	/** Called with the process number of each workerd that is started. */
	readonly onSpawn?: (pid: number) => void;
}

export interface LocalIsobar {
	readonly url: string;
	/** The additional isolates. */
	readonly edgeUrls: readonly string[];
	/** A way into D1 from here. */
	readonly catalog: () => ReturnType<Miniflare["getD1Database"]>;
	/** Applies what is missing of `migrations/`; the names applied. Done once at the start. */
	readonly migrate: () => Promise<readonly string[]>;
	/** Of workerd. */
	readonly pid: number;
	/** Where the inspector listens, when one was asked for. */
	readonly inspectorUrl: () => Promise<URL>;
	readonly stop: () => Promise<void>;
	/** Ends workerd at once with SIGKILL: memory is lost, what is under `persist` stays for the next start. */
	readonly kill: () => Promise<void>;
}

/** Runs the Worker, bundled as it would be deployed, in workerd with its Durable Objects and a migrated D1. Rejects when it
 *  does not build or start, or when the port is taken. */
export async function startIsobar(options: LocalOptions = {}): Promise<LocalIsobar> {
	const bundle = await bundleWorker();
	const bindings = {
		...bundle.vars,
		...options.secrets,
		...(options.settings && { SETTINGS: JSON.stringify(options.settings) }),
	};
	const modules = await readModules(bundle);
	const names = [bundle.name, ...Array.from({ length: options.edges ?? 0 }, (_, i) => `${bundle.name}-edge-${i + 1}`)];
	const workers = names.map((name) => ({
		name,
		modules,
		compatibilityDate: bundle.compatibilityDate,
		compatibilityFlags: [...bundle.compatibilityFlags],
		bindings,
		serviceBindings: { ASSETS: { disk: { path: options.assets ?? ASSETS, writable: false } } },
		d1Databases: { ...bundle.d1Databases },
		durableObjects: Object.fromEntries(
			Object.entries(bundle.durableObjects).map(([binding, object]) => [
				binding,
				name === bundle.name ? object : { ...object, scriptName: bundle.name },
			]),
		),
	}));
	const workerd = await runWorkers({ ...options, workers: [...workers, await migrationsWorker(bundle)] });
	const [url = "", ...edgeUrls] = workerd.urls.slice(0, workers.length).map((each) => each.origin);
	const migrate = () => applyMigrations(workerd.urls.at(-1)!);
	try {
		await migrate();
		return {
			url,
			edgeUrls,
			catalog: () => workerd.miniflare.getD1Database("CATALOG", bundle.name),
			migrate,
			get pid() {
				return workerd.pid;
			},
			inspectorUrl: () => workerd.miniflare.getInspectorURL(),
			stop: workerd.stop,
			kill: workerd.kill,
		};
	} catch (error) {
		await workerd.stop();
		throw error;
	}
}

/** The modules of a bundle as workerd takes them. */
export async function readModules({ directory, modules }: Bundle) {
	return Promise.all(
		modules.map(async ({ type, path }) => {
			const bytes = await readFile(join(directory, path));
			const contents = type === "ESModule" || type === "Text" ? bytes.toString("utf8") : new Uint8Array(bytes);
			return { type, path, contents };
		}),
	);
}
