// Opens a report in a headless Chromium and prints, as JSON, what a test wants to know.
// node page.js MODULES CHROMIUM PAGE
const [, , modules, chromium, page] = process.argv;
const { chromium: browser } = require(modules + "/playwright-core");
const axe = require("fs").readFileSync(modules + "/axe-core/axe.min.js", "utf8");

const LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
const VIEWS = {
  wide: { viewport: { width: 1280, height: 900 } },
  phone: { viewport: { width: 360, height: 740 } },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
};

const run = async () => {
  const instance = await browser.launch({ executablePath: chromium, args: ["--no-sandbox"] });
  const said = { requests: [], dialogs: [], errors: [], violations: [], wider: [], milliseconds: {}, seconds: {} };
  for (const [name, view] of Object.entries(VIEWS)) {
    const context = await instance.newContext(view);
    const tab = await context.newPage();
    tab.on("request", (request) => said.requests.push(request.url()));
    tab.on("dialog", (dialog) => { said.dialogs.push(dialog.message()); dialog.dismiss(); });
    tab.on("console", (message) => said.errors.push(message.text()));
    tab.on("pageerror", (error) => said.errors.push(error.message));
    const devtools = await context.newCDPSession(tab);
    await devtools.send("Performance.enable");
    const begun = Date.now();
    await tab.goto("file://" + page);
    await tab.evaluate(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted))));
    said.milliseconds[name] = Date.now() - begun;
    if (process.env.FAST) {
      const { metrics } = await devtools.send("Performance.getMetrics");
      said.seconds[name] = metrics.find((metric) => metric.name === "ProcessTime").value;
      await context.close();
      continue;
    }
    if (await tab.evaluate(() => document.documentElement.scrollWidth > innerWidth)) said.wider.push(name);
    said.hit = (said.hit ?? false) || await tab.evaluate(() => "hit" in window);
    if (name === "wide") {
      said.text = await tab.evaluate(() => document.body.innerText);
      said.sorted = await tab.evaluate(() => {
        const table = document.querySelector("#computed table");
        const names = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
        const button = table.tHead.rows[0].cells[0].querySelector("button");
        button.click();
        const rising = names();
        button.click();
        return [rising, names()];
      });
      said.unfolded = await tab.evaluate(() => {
        const folded = document.querySelector("#findings details");
        folded.open = false;
        const row = folded.querySelector("tbody tr");
        location.hash = row.id;
        return new Promise((done) => setTimeout(() => done(folded.open), 200));
      });
      said.found = await tab.evaluate(() => {
        const input = document.querySelector(".search input");
        if (!input) return null;
        input.value = "no row has this";
        input.dispatchEvent(new Event("input"));
        const none = input.closest("details, section").querySelectorAll("tbody tr:not([hidden])").length;
        input.value = "";
        input.dispatchEvent(new Event("input"));
        return [none, input.closest("details, section").querySelectorAll("tbody tr:not([hidden])").length];
      });
    }
    // The page's policy is not in the way of what the debugger runs.
    await tab.evaluate(axe + ";0");
    const found = await tab.evaluate((levels) => axe.run(document, { runOnly: levels }), LEVELS);
    for (const violation of found.violations) {
      said.violations.push(`${name}: ${violation.id}: ${violation.nodes[0].html.slice(0, 200)}`);
    }
    await context.close();
  }
  await instance.close();
  console.log(JSON.stringify(said));
};
run();
