# Makes the files that other programs write: PSPP 1.6.2, LibreOffice 7.4, sqlite3 3.40.
set -e
pspp-convert spss.sav pspp.por
pspp-convert spss.sav pspp.sav
soffice --headless --convert-to ods study.csv >/dev/null
mv study.ods libreoffice.ods
soffice --headless --convert-to xlsx study.csv >/dev/null
mv study.xlsx libreoffice.xlsx
soffice --headless --convert-to xls study.csv >/dev/null
mv study.xls libreoffice.xls
gzip -nkc study.csv >study.csv.gz
rm -f study.sqlite
sqlite3 study.sqlite ".import --csv study.csv texts" \
  "create table pupils (school text, ses real, band text, agree integer, score real);" \
  "insert into pupils select school, nullif(ses, ''), band, agree, score from texts;" "drop table texts;" "vacuum;"
