// Histograms and curves, the buttons that copy, and the start of it all.

function drawCharts() {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  for (const [name, { traces, layout }] of Object.entries(charts)) {
    const legend = { orientation: "h", yanchor: "bottom", y: 1.02 };
    const common = { margin: { l: 60, r: 10, t: 10, b: 48 }, font: { size: 13 }, bargap: 0.02, legend, dragmode: false };
    const axis = { fixedrange: true, zeroline: false, automargin: true };
    Plotly.newPlot(document.getElementById(name), traces, {
      ...common, ...layout, xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
    }, { displayModeBar: false, responsive: true });
  }
}

async function copyText(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without leave for the clipboard: the older way, from a field that is removed again.
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    button.textContent = document.execCommand("copy") ? "Copied" : "Copying is not allowed here";
    field.remove();
    button.focus();
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

function downloadText(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function start() {
  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", () => copyText(button.parentElement.querySelector("pre").textContent, button));
  }
  const cells = JSON.parse(document.getElementById("cells").textContent);
  if (cells) await startExplorer(cells);
  drawCharts();
  document.body.dataset.ready = "true";
}
