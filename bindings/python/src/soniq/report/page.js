// Tables are sorted by the column whose heading is clicked.
for (const heading of document.querySelectorAll('th')) heading.addEventListener('click', () => {
  const body = heading.closest('table').tBodies[0], column = heading.cellIndex;
  const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const numbers = [...body.rows].every(row => !isNaN(parseFloat(value(row))));
  const order = heading.dataset.order = heading.dataset.order === '1' ? '-1' : '1';
  [...body.rows].sort((a, b) => order * (numbers ? value(a) - value(b) : value(a).localeCompare(value(b))))
    .forEach(row => body.append(row));
});
